import { SIGNALS, type Signals } from '../engines/signals.ts'
import { targetName } from '../engines/target.ts'
import { GateError } from '../errors.ts'
import type { Ms, NowMs } from '../time.ts'
import { type Load, loadFromLoads, loadFromMetrics } from './load.ts'
import type { Pool } from './pool.ts'
import type { TargetState } from './target-state.ts'

/** What an engine answered to a question of the gate's own. */
export interface ProbeAnswer {
  readonly status: number
  readonly body: string
}

/** What a prober is given. */
export interface ProberInit {
  /** Asks a target with GET; rejects when it does not answer in time, with a fault of the gate when it cannot be asked. */
  readonly ask: (target: TargetState['target'], path: string) => Promise<ProbeAnswer>
  /** Told how long an engine took to answer whether it is well. */
  readonly onAnswered?: ((pool: string, tookMs: Ms) => void) | undefined
  readonly nowMs: NowMs
  readonly random: () => number
  readonly log: {
    error(facts: object, message: string): void
    warn(facts: object, message: string): void
    info(facts: object, message: string): void
  }
}

/** Asks every target of every pool, for ever, whether it is well and how much it has to do. Costs the engines nothing. */
export interface Prober {
  /** Follows a configuration: new targets are asked from now on, those that are gone no more. */
  follow(pools: Iterable<Pool>): void
  /**
   * Asks a target once more, at once, because calls of one team fail there: only the engine itself can say whether that is
   * about them. One that does not answer well is told to its pool (`Pool.confirm`).
   * @param error of the last of those calls
   */
  check(state: TargetState, error: GateError): void
  close(): void
}

/** Calls that fail have a target asked no more often than this. */
const CHECK_EVERY_MS: Ms = 1_000

/** Makes a prober; it asks nobody before `follow`. */
export function createProber(init: ProberInit): Prober {
  const rounds = new Map<TargetState, Round>()
  return {
    follow(pools) {
      const wanted = new Map([...pools].flatMap(pool => pool.targets.map(state => [state, pool] as const)))
      for (const [state, round] of rounds) {
        if (wanted.get(state) === round.pool) continue
        round.close()
        rounds.delete(state)
      }
      for (const [state, pool] of wanted) {
        if (rounds.has(state)) continue
        const round = new Round(pool, state, init)
        rounds.set(state, round)
        round.begin()
      }
    },
    check(state, error) {
      void rounds.get(state)?.check(error)
    },
    close() {
      for (const round of rounds.values()) round.close()
      rounds.clear()
    }
  }
}

class Round {
  readonly pool: Pool
  readonly #state: TargetState
  readonly #init: ProberInit
  #clock: NodeJS.Timeout | null = null
  #isClosed = false
  #isKeyRefused = false
  #checkedAtMs: Ms = Number.NEGATIVE_INFINITY

  constructor(pool: Pool, state: TargetState, init: ProberInit) {
    this.pool = pool
    this.#state = state
    this.#init = init
  }

  begin(): void {
    // Not all in one moment.
    this.#askIn(this.pool.options.health.everyMs * this.#init.random())
  }

  close(): void {
    this.#isClosed = true
    if (this.#clock !== null) clearTimeout(this.#clock)
  }

  async check(error: GateError): Promise<void> {
    const nowMs = performance.now()
    if (nowMs - this.#checkedAtMs < CHECK_EVERY_MS) return
    this.#checkedAtMs = nowMs
    const isWell = await this.#isWell(SIGNALS[this.#state.target.engine].health)
    const isRefused = error.detail.cause === 401 || error.detail.cause === 403
    const refuses = isWell === true && isRefused && (await this.#refusesKey())
    if (!this.#isClosed && (isWell === false || refuses)) this.pool.confirm(this.#state, error)
  }

  /** Whether the engine refuses the key of its pool for what everybody may ask; probes need none at most engines. */
  async #refusesKey(): Promise<boolean> {
    try {
      const { status } = await this.#init.ask(this.#state.target, '/v1/models')
      return status === 401 || status === 403
    } catch {
      return false
    }
  }

  #askIn(ms: Ms): void {
    this.#clock = setTimeout(() => void this.#ask(), ms)
    this.#clock.unref()
  }

  async #ask(): Promise<void> {
    const { health, load } = SIGNALS[this.#state.target.engine]
    const isWell = await this.#isWell(health)
    if (this.#isClosed) return
    if (isWell !== null) this.#judge(isWell)
    this.#state.load = isWell === true && load !== null && this.#isLoadOfUse ? await this.#askLoad(load) : null
    if (this.#isClosed) return
    // A tenth more or less, so that many gates do not ask at the same moment.
    this.#askIn(this.pool.options.health.everyMs * (0.9 + 0.2 * this.#init.random()))
  }

  get #isLoadOfUse(): boolean {
    return this.pool.targets.length > 1 && this.pool.options.balance !== 'round_robin'
  }

  /** Null when the gate could not ask. */
  async #isWell({ path, wants }: Signals['health']): Promise<boolean | null> {
    const askedAtMs = performance.now()
    try {
      const { status, body } = await this.#init.ask(this.#state.target, path)
      this.#init.onAnswered?.(this.pool.name, performance.now() - askedAtMs)
      this.#noteKey(status)
      if (wants === 'any' || status === 401 || status === 403) return status < 500
      return status === 200 && (wants === 'ok' || isHealthy(body))
    } catch (err) {
      // A name that cannot be resolved says nothing of its engine.
      const isUnknown = err instanceof GateError && (err.row.fault === 'gate' || err.code === 'TOLLGATE_FORWARD_DNS')
      return isUnknown ? null : false
    }
  }

  /** An engine that refuses the key of its pool is alive, and of no use before its operator acts. */
  #noteKey(status: number): void {
    const isRefused = status === 401 || status === 403
    if (isRefused && !this.#isKeyRefused) {
      const { pool } = this.#state.target
      this.#init.log.error(
        { pool, target: targetName(this.#state.target), status, fix: `pools.${pool}.api_key` },
        'an engine refuses the key of its pool'
      )
    }
    this.#isKeyRefused = isRefused
  }

  #judge(isWell: boolean): void {
    const change = this.#state.health.probed(isWell, this.#init.nowMs())
    const { pool } = this.#state.target
    const target = targetName(this.#state.target)
    if (change === 'down') this.#init.log.warn({ pool, target }, 'an engine does not answer and is left out')
    if (change !== 'up') return
    this.#init.log.info({ pool, target }, 'an engine answers again')
    this.pool.admit()
  }

  /** A gate without it works: whatever goes wrong here means that nothing is known. */
  async #askLoad(load: NonNullable<Signals['load']>): Promise<Load | null> {
    try {
      const { status, body } = await this.#init.ask(this.#state.target, load.path)
      if (status !== 200) return null
      return load.kind === 'loads' ? loadFromLoads(body) : loadFromMetrics(body, load.names)
    } catch {
      return null
    }
  }
}

function isHealthy(body: string): boolean {
  try {
    const value: unknown = JSON.parse(body)
    return typeof value === 'object' && value !== null && 'status' in value && value.status === 'healthy'
  } catch {
    return false
  }
}
