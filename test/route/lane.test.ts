import fc from 'fast-check'
import t from 'tap'
import type { Usage } from '../../src/exchange.ts'
import { Habits, type Work } from '../../src/route/cost.ts'
import { Lane, type Party, type Ticket, type Waiting } from '../../src/route/lane.ts'
import { WORK } from '../helpers/pools.ts'

const party = (team: string, weight = 1, work: Work = WORK): Party => ({
  team,
  weight,
  class: 'default',
  work: () => work
})
/** Ended with an answer whose weighted tokens are these; an even number, at least 10. */
const cost = (tokens: number) => ({
  usage: {
    source: 'engine_final',
    inputTokens: 0,
    cachedInputTokens: null,
    outputTokens: tokens / 2,
    reasoningTokens: null,
    audioSeconds: null
  } satisfies Usage,
  status: 200,
  failure: null
})

/** Calls by name, the team first: what a test says of a lane. */
function scene(nowMs = () => 0) {
  const lane = new Lane<string>(nowMs)
  const waiting = new Map<string, { party: Party; place: Waiting<string> }>()
  return {
    lane,
    join(who: Party, name: string) {
      waiting.set(name, { party: who, place: lane.join(who, name) })
    },
    leave(name: string) {
      const found = waiting.get(name)
      if (found === undefined || !waiting.delete(name)) return
      lane.leave(found.place)
    },
    serve(): { name: string; team: string; ticket: Ticket } | null {
      const name = lane.next()
      const found = name === null ? undefined : waiting.get(name)
      if (name === null || found === undefined) return null
      const ticket = lane.begin(found.party)
      waiting.delete(name)
      lane.leave(found.place)
      return { name, team: found.party.team, ticket }
    }
  }
}

/** Serves one call at a time, each of which costs so much, and has the names of those served. */
function inTurn(s: ReturnType<typeof scene>, count: number, costOf: (team: string) => number): string[] {
  return Array.from({ length: count }, () => {
    const served = s.serve()
    served?.ticket.end(cost(costOf(served.team)))
    return served?.name ?? ''
  })
}

t.test(
  'a team that asks for one call comes before the many of another, and inside a team the first comes first',
  async t => {
    const s = scene()
    for (let i = 0; i < 4; i++) s.join(party('a'), `a${i}`)
    t.strictSame(
      inTurn(s, 1, () => 100),
      ['a0']
    )
    s.join(party('b'), 'b0')
    s.join(party('b'), 'b1')
    t.strictSame(
      inTurn(s, 5, () => 100),
      ['b0', 'a1', 'b1', 'a2', 'a3']
    )
  }
)

t.test('whoever has been away has saved up nothing', async t => {
  const s = scene()
  // One short call of b goes on all the time, while a has many and nobody waits.
  s.lane.begin(party('b'))
  for (let i = 0; i < 100; i++) s.lane.begin(party('a')).end(cost(10_000))
  for (let i = 0; i < 10; i++) {
    s.join(party('a'), `a${i}`)
    s.join(party('b'), `b${i}`)
  }
  const served = inTurn(s, 10, () => 10_000).map(name => name[0])
  const ofA = served.filter(team => team === 'a').length
  t.ok(ofA === 4 || ofA === 5, served.join(''))
})

t.test('asking for one call at a time, each of which is long, does not get more', async t => {
  const s = scene()
  for (let i = 0; i < 500; i++) s.join(party('short'), `s${i}`)
  const had = { short: 0, long: 0 }
  s.join(party('long'), 'l')
  for (let i = 0; i < 400; i++) {
    const served = s.serve()
    if (served === null) break
    const team = served.team as 'short' | 'long'
    const tokens = team === 'long' ? 10_000 : 100
    had[team] += tokens
    served.ticket.end(cost(tokens))
    // It comes back after its call has ended, and nothing of it waits or runs meanwhile.
    if (team === 'long') s.join(party('long'), 'l')
  }
  t.ok(Math.abs(had.short - had.long) <= 10_000, JSON.stringify(had))
})

t.test(
  'a team that starts many at once waits for others before it has used anything, and is charged for what it was',
  async t => {
    const s = scene()
    for (let i = 0; i < 8; i++) s.join(party('a'), `a${i}`)
    const first = [s.serve(), s.serve()]
    s.join(party('b'), 'b0')
    s.join(party('b'), 'b1')
    t.strictSame([s.serve()?.name, s.serve()?.name], ['b0', 'b1'])
    t.equal(s.lane.counterOf('a'), 0, 'nothing of it is charged yet')
    for (const served of first) served?.ticket.end(cost(10))
    t.equal(s.lane.counterOf('a'), 20)
  }
)

t.test('calls that look long and are not keep no other team waiting', async t => {
  const s = scene()
  const long = { ...WORK, inputBytes: 400_000 }
  const inputOf = (tokens: number) => ({ ...cost(10), usage: { ...cost(10).usage, inputTokens: tokens } })
  // Eight calls with a long prompt teach what such calls cost; two more look like them.
  for (let i = 0; i < 8; i++) s.lane.begin(party('a', 1, long)).end(inputOf(100_000))
  for (let i = 0; i < 10; i++) s.join(party('a', 1, long), `a${i}`)
  const running = [s.serve(), s.serve()]
  s.join(party('b'), 'b0')
  for (const one of running) one?.ticket.end(inputOf(10))
  for (let i = 1; i < 10; i++) s.join(party('b'), `b${i}`)
  const served = inTurn(s, 8, () => 100).map(name => name[0])
  const ofB = served.filter(team => team === 'b').length
  t.ok(ofB >= 3, served.join(''))
})

t.test('what a stream has taken is charged while it runs: who comes then is owed nothing of it', async t => {
  let nowMs = 0
  let bytes = 25_000
  const stream = { ...WORK, streamedBytes: () => bytes }
  const s = scene(() => nowMs)
  s.lane.begin(party('a', 1, stream)).end(cost(200))
  bytes = 0
  const running = s.lane.begin(party('a', 1, stream))
  const before = s.lane.counterOf('a') ?? 0
  nowMs = 60_000
  bytes = 2_500_000
  s.join(party('b'), 'b0')
  t.equal(s.lane.counterOf('a'), before + 20_000)
  t.equal(s.lane.counterOf('b'), before + 20_000)
  running.end(cost(20_010))
  t.equal(s.lane.counterOf('a'), before + 20_010)
})

t.test('a team whose few callers come back one at a time keeps what it is behind', async t => {
  const s = scene()
  for (let i = 0; i < 50; i++) s.join(party('long'), `l${i}`)
  s.join(party('short'), 's')
  s.join(party('short'), 's')
  const had = { short: 0, long: 0 }
  for (let i = 0; i < 400; i++) {
    const served = s.serve()
    const team = served?.team as 'short' | 'long'
    const tokens = team === 'long' ? 10_000 : 100
    had[team] += tokens
    served?.ticket.end(cost(tokens))
    // For a moment it has nothing that waits, whenever both of its callers are served.
    if (team === 'short') s.join(party('short'), 's')
  }
  t.ok(Math.abs(had.short - had.long) <= 10_100, JSON.stringify(had))
})

t.test('a weight that a reload has changed counts from the next call that comes', async t => {
  const s = scene()
  for (let i = 0; i < 100; i++) for (const team of ['a', 'b']) s.join(party(team), `${team}${i}`)
  s.join(party('a', 4), 'a')
  s.join(party('b', 1), 'b')
  const served = inTurn(s, 50, () => 100).map(name => name[0])
  t.equal(served.filter(team => team === 'a').length, 40)
})

t.test('what is not counted costs what it was thought to, what was never begun nothing', async t => {
  const s = scene()
  s.join(party('b'), 'b')
  s.lane.begin(party('a', 2)).end(cost(500))
  const before = s.lane.counterOf('a') ?? 0
  const habits = new Habits()
  habits.learn(cost(500), WORK, 0)
  s.lane.begin(party('a', 2)).end()
  t.equal(s.lane.counterOf('a'), before)
  const unsaid = { usage: null, status: 200, failure: null }
  s.lane.begin(party('a', 2)).end(unsaid)
  t.equal(s.lane.counterOf('a'), before + habits.costOf(unsaid, WORK) / 2)
})

t.test('a lane where nobody waits or runs remembers nobody', async t => {
  const s = scene()
  const tickets = Array.from({ length: 1_000 }, (_, i) => s.lane.begin(party(`t${i}`)))
  s.join(party('x'), 'x')
  t.equal(s.lane.teams, 1_001)
  for (const ticket of tickets) ticket.end(cost(100_000))
  t.ok(s.lane.teams <= 1 + 256, String(s.lane.teams))
  s.leave('x')
  t.strictSame([s.lane.teams, s.lane.waiting, s.lane.running], [0, 0, 0])
})

t.test(
  'teams that always wait get tokens in proportion to their weights, within the cost of the calls that run',
  async _t => {
    const MAX = 5_000
    const world = fc.record({
      weights: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 2, maxLength: 4 }),
      places: fc.integer({ min: 1, max: 4 }),
      costs: fc.array(fc.integer({ min: 5, max: MAX / 2 }), { minLength: 1, maxLength: 50, size: 'max' }),
      ends: fc.array(fc.nat(3), { minLength: 1, maxLength: 20, size: 'max' })
    })
    fc.assert(
      fc.property(world, ({ weights, places, costs, ends }) => {
        const s = scene()
        const teams = weights.map((weight, i) => ({ who: party(`t${i}`, weight), had: 0 }))
        let names = 0
        for (const { who } of teams) for (let i = 0; i < 5; i++) s.join(who, `n${names++}`)
        const running: NonNullable<ReturnType<typeof s.serve>>[] = []
        for (let i = 0; i < 200; i++) {
          while (running.length < places) {
            const served = s.serve()
            if (served === null) return false
            running.push(served)
            const team = teams.find(({ who }) => who.team === served.team)
            if (team !== undefined) s.join(team.who, `n${names++}`)
          }
          const [ended] = running.splice((ends[i % ends.length] ?? 0) % running.length, 1)
          const team = teams.find(({ who }) => who.team === ended?.team)
          if (ended === undefined || team === undefined) return false
          const tokens = 2 * (costs[i % costs.length] ?? 5)
          team.had += tokens
          ended.ticket.end(cost(tokens))
          for (const a of teams) {
            for (const b of teams) {
              // With one place: the cost of one call. With more, those that run are not counted yet.
              const slack = places === 1 ? MAX / a.who.weight : places * (MAX / a.who.weight + MAX / b.who.weight)
              if (a.had / a.who.weight - b.had / b.who.weight > slack + 1e-6) return false
            }
          }
        }
        return true
      })
    )
  }
)

t.test('whatever comes, begins, ends and leaves: a plain model says the same, and nothing is left', async _t => {
  const step = fc.record({
    what: fc.constantFrom('join', 'join', 'serve', 'serve', 'begin', 'end', 'end', 'leave', 'later'),
    team: fc.nat(2),
    n: fc.nat(30),
    tokens: fc.integer({ min: 5, max: 5_000 })
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 150, size: 'max' }), steps => {
      let nowMs = 0
      const s = scene(() => nowMs)
      const model = new Model(() => nowMs)
      const running: { ticket: Ticket; run: ModelRun }[] = []
      const names: string[] = []
      let count = 0
      for (const { what, team, n, tokens } of steps) {
        const sinceMs = nowMs
        const work = {
          inputBytes: tokens,
          maxOutputTokens: 4_000,
          streamedBytes: () => (n % 2) * (nowMs - sinceMs) * 8
        }
        const who = party('abc'[team] ?? 'a', team + 1, work)
        if (what === 'join') {
          const name = `${who.team}${count++}`
          names.push(name)
          s.join(who, name)
          model.join(who, name)
        } else if (what === 'serve') {
          const served = s.serve()
          const expected = model.serve()
          if (served?.name !== expected?.name) return false
          if (served !== null && expected !== null) running.push({ ticket: served.ticket, run: expected.run })
        } else if (what === 'begin' && s.lane.waiting === 0) {
          running.push({ ticket: s.lane.begin(who), run: model.begin(who) })
        } else if (what === 'end' && running.length > 0) {
          const [one] = running.splice(n % running.length, 1)
          one?.ticket.end(cost(2 * tokens))
          if (one !== undefined) model.end(one.run, cost(2 * tokens))
        } else if (what === 'leave') {
          const name = names[n] ?? ''
          s.leave(name)
          model.leave(name)
        } else if (what === 'later') nowMs += tokens
        if (s.lane.next() !== model.next() || s.lane.waiting !== model.waiting) return false
        if (s.lane.running !== running.length) return false
        for (const team of ['a', 'b', 'c']) if (s.lane.counterOf(team) !== model.counterOf(team)) return false
      }
      for (const name of names) s.leave(name)
      for (const { ticket } of running) ticket.end(cost(100))
      return s.lane.teams === 0 && s.lane.waiting === 0 && s.lane.running === 0
    }),
    { numRuns: 500 }
  )
})

interface ModelRun {
  readonly team: ModelTeam
  readonly work: Work
  readonly sinceMs: number
  charged: number
  expected: number
}

interface ModelTeam {
  readonly team: string
  weight: number
  counter: number
  floorThen: number
  readonly habits: Habits
  names: { readonly who: Party; readonly name: string }[]
  runs: ModelRun[]
  servedAt: number
  askedAt: number
  goneAt: number
  goneAtMs: number
}

/** The same rules without any structure: lists that are looked through from end to end. */
class Model {
  readonly #nowMs: () => number
  #teams: ModelTeam[] = []
  #level = 0
  #now = 0
  #lookedAtMs = 0
  readonly #habits = new Map<string, Habits>()

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  get waiting(): number {
    return this.#teams.reduce((sum, { names }) => sum + names.length, 0)
  }

  counterOf(team: string): number | undefined {
    return this.#teams.find(one => one.team === team)?.counter
  }

  next(): string | null {
    if (this.waiting > 0) this.#look()
    return this.#first()?.names[0]?.name ?? null
  }

  join(who: Party, name: string): void {
    this.#look()
    const team = this.#come(who)
    team.weight = who.weight
    if (team.names.length === 0) {
      this.#lift(team)
      team.askedAt = ++this.#now
    }
    team.names.push({ who, name })
  }

  leave(name: string): void {
    const team = this.#teams.find(({ names }) => names.some(one => one.name === name))
    if (team === undefined) return
    team.names = team.names.filter(one => one.name !== name)
    if (team.names.length === 0) team.floorThen = this.#floor()
    this.#go(team)
  }

  serve(): { name: string; run: ModelRun } | null {
    const name = this.next()
    const first = this.#first()?.names[0]
    if (name === null || first === undefined) return null
    const run = this.begin(first.who)
    this.leave(name)
    return { name, run }
  }

  begin(who: Party): ModelRun {
    const team = this.#come(who)
    if (team.names.length === 0) {
      team.weight = who.weight
      this.#lift(team)
    }
    team.servedAt = ++this.#now
    const run = { team, work: who.work(), sinceMs: this.#nowMs(), charged: 0, expected: 0 }
    team.runs.push(run)
    run.expected = this.#expected(run)
    return run
  }

  end(run: ModelRun, ended: ReturnType<typeof cost>): void {
    const { team } = run
    team.runs = team.runs.filter(other => other !== run)
    this.#charge(run, team.habits.costOf(ended, run.work))
    team.habits.learn(ended, run.work, this.#nowMs() - run.sinceMs)
    this.#go(team)
  }

  #look(): void {
    if (this.#nowMs() - this.#lookedAtMs < 250) return
    this.#lookedAtMs = this.#nowMs()
    for (const run of this.#teams.flatMap(({ runs }) => runs)) {
      this.#charge(run, run.team.habits.leastOf(run.work))
      run.expected = this.#expected(run)
    }
  }

  #expected({ team, work, sinceMs, charged }: ModelRun): number {
    return Math.max(0, team.habits.costWithin(this.#nowMs() - sinceMs, 1_000, work) - charged)
  }

  #charge(run: ModelRun, amount: number): void {
    if (amount <= run.charged) return
    run.team.counter += (amount - run.charged) / run.team.weight
    run.charged = amount
    this.#level = Math.max(this.#level, run.team.counter)
  }

  #first(): ModelTeam | undefined {
    const rank = ({ counter, runs, weight }: ModelTeam) =>
      Math.round((counter + runs.reduce((sum, { expected }) => sum + expected, 0) / weight) * 1e6)
    return this.#teams
      .filter(({ names }) => names.length > 0)
      .sort((a, b) => rank(a) - rank(b) || a.servedAt - b.servedAt || a.askedAt - b.askedAt)[0]
  }

  #floor(): number {
    const waiting = this.#teams.filter(({ names }) => names.length > 0)
    return waiting.length === 0 ? this.#level : Math.min(...waiting.map(({ counter }) => counter))
  }

  #isIdle({ runs, names }: ModelTeam): boolean {
    return runs.length === 0 && names.length === 0
  }

  #come({ team: name, weight }: Party): ModelTeam {
    const known = this.#teams.find(({ team }) => team === name)
    if (known !== undefined) return known
    const nothing = { counter: 0, floorThen: 0, names: [], runs: [], servedAt: 0, askedAt: 0, goneAt: 0, goneAtMs: 0 }
    const habits = this.#habits.get(name) ?? new Habits()
    this.#habits.set(name, habits)
    const team: ModelTeam = { team: name, weight, habits, ...nothing }
    this.#teams.push(team)
    return team
  }

  #lift(team: ModelTeam): void {
    const floor = this.#floor()
    const come = Math.max(0, floor - Math.max(team.floorThen, team.counter))
    team.counter = Math.max(team.counter, Math.min(floor, team.counter + 2 * come))
    team.floorThen = floor
  }

  #go(team: ModelTeam): void {
    if (!this.#isIdle(team)) return
    team.goneAt = ++this.#now
    team.goneAtMs = this.#nowMs()
    if (this.#teams.every(one => this.#isIdle(one))) {
      this.#teams = []
      this.#level = 0
      return
    }
    const floor = this.#floor()
    // The longest away first, up to the first that owes or is owed still.
    for (const one of this.#teams.filter(one => this.#isIdle(one)).sort((a, b) => a.goneAt - b.goneAt)) {
      const isOwed = one.floorThen > one.counter && this.#nowMs() - one.goneAtMs < 30_000
      if (one.counter > floor || isOwed) break
      this.#teams = this.#teams.filter(other => other !== one)
    }
  }
}
