import type { Usage } from '../../src/exchange.ts'
import type { Class } from '../../src/route/classes.ts'
import type { Work } from '../../src/route/cost.ts'
import type { Party, Ticket } from '../../src/route/lane.ts'
import { Queue } from '../../src/route/queue.ts'
import type { Ms } from '../../src/time.ts'

/** One call as the engine would have it. */
export interface SimulatedCall {
  readonly input: number
  readonly output: number
  readonly isStream: boolean
  /** Of its body; four for each token of input unless given. */
  readonly inputBytes?: number
  /** The most that it asks for. */
  readonly maxOutput?: number
  /** It leaves when this part of its output is made; 1 for never. */
  readonly leavesAt?: number
  /** Whether anybody says what it has used. */
  readonly isCounted?: boolean
  readonly bytesPerToken?: number
}

/** One team: how many of its calls there are at once, from when to when, and what they are. */
export interface SimulatedTeam {
  readonly name: string
  readonly class?: Class
  /** May change at a time, as by a reload. */
  readonly weightAt: (ms: Ms) => number
  /** Each comes back this long after its call has ended. */
  readonly clients: number
  readonly pauseMs?: Ms
  readonly fromMs?: Ms
  readonly untilMs?: Ms
  readonly callAt: (n: number) => SimulatedCall
}

interface Run {
  readonly team: SimulatedTeam
  readonly call: SimulatedCall
  readonly sinceMs: Ms
  readonly endMs: Ms
  ticket: { end(ended?: Parameters<Ticket['end']>[0]): void } | null
}

/** What each team has had by the end of each step, and whether it has waited all through it. */
export interface Served {
  readonly stepMs: Ms
  /** Weighted tokens as they were made, not when they were charged. By team, by step. */
  readonly made: ReadonlyMap<string, readonly number[]>
  readonly hasWaited: ReadonlyMap<string, readonly boolean[]>
  readonly calls: ReadonlyMap<string, number>
}

/** In weighted tokens. */
export function costOf({ input, output, leavesAt = 1 }: SimulatedCall): number {
  return Math.max(10, input + 2 * output * leavesAt)
}

const PREFILL_MS = 0.05
const OUTPUT_MS = 20

/** What decides who is next. */
export interface Scheduler {
  join(asker: SimulatedAsker): void
  /** Gives places while `place` takes them. */
  admit(place: (asker: SimulatedAsker) => boolean): void
  begin(asker: SimulatedAsker): Run['ticket']
  close(): void
}

/** Whoever waits in a simulated queue. */
export interface SimulatedAsker extends Party {
  readonly of: SimulatedTeam
  readonly call: SimulatedCall
  run: Run | null
}

/** The queue of the gate. */
export function ours(nowMs: () => Ms, places: number): Scheduler {
  const queue = new Queue<SimulatedAsker, true>(
    { size: 1_000_000, perTeam: 1_000_000, timeoutMs: 2_000_000_000 },
    { pool: 'p', nowMs }
  )
  queue.capacity = places
  const leaves = new Map<SimulatedAsker, () => void>()
  return {
    join: asker => void queue.wait(asker, leave => leaves.set(asker, leave)),
    admit: place => queue.admit(asker => (place(asker) ? true : null)),
    begin(asker) {
      leaves.delete(asker)
      return queue.begin(asker)
    },
    close() {
      for (const leave of leaves.values()) leave()
    }
  }
}

/** A virtual token counter that knows what each call will cost. */
export function ideal(): Scheduler {
  const counters = new Map<string, number>()
  let waiting: SimulatedAsker[] = []
  return {
    join(asker) {
      const { team } = asker
      if (!waiting.some(other => other.team === team) && waiting.length > 0) {
        const floor = Math.min(...waiting.map(other => counters.get(other.team) ?? 0))
        counters.set(team, Math.max(counters.get(team) ?? 0, floor))
      }
      waiting.push(asker)
    },
    admit(place) {
      for (;;) {
        let first: SimulatedAsker | null = null
        for (const asker of waiting) {
          if (first === null || (counters.get(asker.team) ?? 0) < (counters.get(first.team) ?? 0)) first = asker
        }
        if (first === null || !place(first)) return
        const served = first
        waiting = waiting.filter(other => other !== served)
      }
    },
    begin({ team, weight, call }) {
      counters.set(team, (counters.get(team) ?? 0) + costOf(call) / weight)
      return null
    },
    close() {}
  }
}

function madeBy({ call, sinceMs }: Run, nowMs: Ms): number {
  const prefillMs = call.input * PREFILL_MS
  const elapsed = nowMs - sinceMs
  const output = Math.min(call.output * (call.leavesAt ?? 1), Math.max(0, elapsed - prefillMs) / OUTPUT_MS)
  return call.input * Math.min(1, prefillMs === 0 ? 1 : elapsed / prefillMs) + 2 * output
}

/** Lets teams share places for some time, by a clock of its own. */
export function simulate(
  teams: readonly SimulatedTeam[],
  { places, forMs, stepMs = 500 }: { places: number; forMs: Ms; stepMs?: Ms },
  schedulerOf: (nowMs: () => Ms, places: number) => Scheduler = ours
): Served {
  let nowMs = 1_000_000
  const startMs = nowMs
  const scheduler = schedulerOf(() => nowMs, places)
  let running: Run[] = []
  let free = places
  const counts = new Map<string, number>(teams.map(({ name }) => [name, 0]))
  const doneBy = new Map<string, number>(teams.map(({ name }) => [name, 0]))
  const waitingOf = new Map<string, number>(teams.map(({ name }) => [name, 0]))
  const made = new Map<string, number[]>(teams.map(({ name }) => [name, []]))
  const hasWaited = new Map<string, boolean[]>(teams.map(({ name }) => [name, []]))
  const waitedAll = new Map<string, boolean>(teams.map(({ name }) => [name, true]))
  // Time → what happens then; few at once.
  const arrivals: { atMs: Ms; team: SimulatedTeam }[] = []
  for (const team of teams) {
    for (let i = 0; i < team.clients; i++) arrivals.push({ atMs: startMs + (team.fromMs ?? 0), team })
  }

  const arrive = (team: SimulatedTeam) => {
    const n = counts.get(team.name) ?? 0
    counts.set(team.name, n + 1)
    const call = team.callAt(n)
    const asker: SimulatedAsker = {
      team: team.name,
      weight: team.weightAt(nowMs - startMs),
      class: team.class ?? 'default',
      of: team,
      call,
      run: null,
      work: (): Work => ({
        inputBytes: call.inputBytes ?? call.input * 4,
        maxOutputTokens: call.maxOutput ?? Number.POSITIVE_INFINITY,
        streamedBytes: () => {
          if (!call.isStream || asker.run === null) return 0
          const prefillMs = call.input * PREFILL_MS
          const tokens = Math.max(0, nowMs - asker.run.sinceMs - prefillMs) / OUTPUT_MS
          return Math.floor(Math.min(tokens, call.output * (call.leavesAt ?? 1))) * (call.bytesPerToken ?? 250)
        }
      })
    }
    waitingOf.set(team.name, (waitingOf.get(team.name) ?? 0) + 1)
    scheduler.join(asker)
  }
  const admit = () =>
    scheduler.admit(asker => {
      if (free === 0) return false
      free--
      const { of: team, call } = asker
      const lengthMs = call.input * PREFILL_MS + call.output * (call.leavesAt ?? 1) * OUTPUT_MS
      const run: Run = { team, call, sinceMs: nowMs, endMs: nowMs + Math.max(1, lengthMs), ticket: null }
      asker.run = run
      run.ticket = scheduler.begin(asker)
      running.push(run)
      waitingOf.set(team.name, (waitingOf.get(team.name) ?? 0) - 1)
      return true
    })
  const end = (run: Run) => {
    const { team, call } = run
    running = running.filter(other => other !== run)
    free++
    doneBy.set(team.name, (doneBy.get(team.name) ?? 0) + madeBy(run, run.endMs))
    const left = (call.leavesAt ?? 1) < 1
    const tokens = Math.round(call.output * (call.leavesAt ?? 1))
    const usage: Usage | null =
      call.isCounted === false
        ? null
        : {
            source: left ? 'engine_partial' : 'engine_final',
            inputTokens: call.input,
            cachedInputTokens: null,
            outputTokens: tokens,
            reasoningTokens: null,
            audioSeconds: null
          }
    run.ticket?.end({ usage, status: 200, failure: null })
    if (nowMs - startMs < (team.untilMs ?? Number.POSITIVE_INFINITY)) {
      arrivals.push({ atMs: nowMs + (team.pauseMs ?? 1), team })
    }
  }

  for (let step = 0; step * stepMs < forMs; step++) {
    const untilMs = startMs + (step + 1) * stepMs
    for (;;) {
      for (const { name } of teams) if ((waitingOf.get(name) ?? 0) === 0) waitedAll.set(name, false)
      let atMs = untilMs
      for (const run of running) atMs = Math.min(atMs, run.endMs)
      for (const arrival of arrivals) atMs = Math.min(atMs, arrival.atMs)
      nowMs = Math.max(nowMs, atMs)
      if (nowMs >= untilMs) break
      for (const run of running.filter(({ endMs }) => endMs <= nowMs)) end(run)
      for (const arrival of arrivals.filter(one => one.atMs <= nowMs)) {
        arrivals.splice(arrivals.indexOf(arrival), 1)
        arrive(arrival.team)
      }
      admit()
    }
    nowMs = untilMs
    for (const { name } of teams) {
      let sum = doneBy.get(name) ?? 0
      for (const run of running) if (run.team.name === name) sum += madeBy(run, nowMs)
      made.get(name)?.push(sum)
      hasWaited.get(name)?.push(waitedAll.get(name) ?? false)
      waitedAll.set(name, true)
    }
  }
  scheduler.close()
  return { stepMs, made, hasWaited, calls: counts }
}

/**
 * The share of one team beside another, by their weights, of each window in which both have waited all through: 0.5 is even.
 */
export function sharesOf(
  served: Served,
  [a, b]: readonly [SimulatedTeam, SimulatedTeam],
  windowMs: Ms
): readonly { readonly atMs: Ms; readonly share: number; readonly made: number }[] {
  const size = Math.round(windowMs / served.stepMs)
  const of = ({ name }: SimulatedTeam) => ({
    made: served.made.get(name) ?? [],
    waited: served.hasWaited.get(name) ?? []
  })
  const [first, second] = [of(a), of(b)]
  const shares: { atMs: Ms; share: number; made: number }[] = []
  let both = 0
  for (let step = 0; step < first.made.length; step++) {
    both = first.waited[step] === true && second.waited[step] === true ? both + 1 : 0
    if (both < size) continue
    const within = (made: readonly number[], { weightAt }: SimulatedTeam) =>
      ((made[step] ?? 0) - (made[step - size] ?? 0)) / weightAt(step * served.stepMs)
    const [x, y] = [within(first.made, a), within(second.made, b)]
    if (x + y === 0) continue
    shares.push({ atMs: (step + 1) * served.stepMs, share: x / (x + y), made: x + y })
  }
  return shares
}
