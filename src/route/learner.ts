import { isDeepStrictEqual } from 'node:util'
import type { Ms } from '../time.ts'
import type { RouteOptions } from './options.ts'

/** What the learner is given. */
export interface LearnerInit {
  /** Reads the names of an engine's models; rejects when it does not answer with a list. */
  readonly fetchModels: (origin: string) => Promise<readonly string[]>
  readonly random: () => number
  readonly log: { warn(facts: object, message: string): void; info(facts: object, message: string): void }
}

/** A pool whose models the configuration does not list. */
export interface LearnedPool {
  readonly name: string
  /** Origins. */
  readonly targets: readonly string[]
}

/** Asks engines what they serve, in the background, and remembers the last answer. */
export interface Learner {
  /** The union of what the pool's targets last said, or null before one of them has. The same array until it changes. */
  learned(pool: string): readonly string[] | null
  /** Resolves when a pool has said what it serves; at once for pools that are not learned. */
  ready(pool: string): Promise<void>
  /** Follows a configuration. What is known of a pool stays until its engines have said something else. */
  follow(pools: readonly LearnedPool[]): void
  start(): void
  close(): void
}

const FIRST_RETRY_MS: Ms = 1_000
const MAX_RETRY_MS: Ms = 30_000
const REFRESH_MS: Ms = 30_000

/** The pools whose models the operator has not listed. */
export function learnedPools({ pools }: Pick<RouteOptions, 'pools'>): readonly LearnedPool[] {
  return [...pools.values()]
    .filter(({ models }) => models === null)
    .map(({ name, targets }) => ({ name, targets: [...new Set(targets.map(({ origin }) => origin))] }))
}

/** Makes a learner; it asks nobody before `start`. */
export function createLearner(init: LearnerInit): Learner {
  const lessons = new Map<string, Lesson>()
  let isStarted = false
  return {
    learned: pool => lessons.get(pool)?.models ?? null,
    ready: async pool => await lessons.get(pool)?.ready,
    follow(pools) {
      for (const [name, lesson] of lessons) {
        if (pools.some(pool => pool.name === name)) continue
        lesson.close()
        lessons.delete(name)
      }
      for (const { name, targets } of pools) {
        const known = lessons.get(name)
        const lesson = known ?? new Lesson(name, targets, init)
        lessons.set(name, lesson)
        if (known !== undefined) known.follow(targets)
        else if (isStarted) lesson.ask()
      }
    },
    start() {
      isStarted = true
      for (const lesson of lessons.values()) lesson.ask()
    },
    close() {
      for (const lesson of lessons.values()) lesson.close()
    }
  }
}

class Lesson {
  models: readonly string[] | null = null
  readonly ready: Promise<void>
  readonly #name: string
  #targets: readonly string[]
  readonly #init: LearnerInit
  readonly #onReady: () => void
  /** Target → what it last said. */
  readonly #said = new Map<string, readonly string[]>()
  #retryMs = FIRST_RETRY_MS
  #clock: NodeJS.Timeout | null = null
  #isClosed = false

  constructor(name: string, targets: readonly string[], init: LearnerInit) {
    this.#name = name
    this.#targets = targets
    this.#init = init
    const { promise, resolve } = Promise.withResolvers<void>()
    this.ready = promise
    this.#onReady = resolve
  }

  /** Asks every target. One that does not answer is remembered as it was, and asked again sooner. */
  async ask(): Promise<void> {
    const targets = this.#targets
    const answers = await Promise.allSettled(targets.map(origin => this.#init.fetchModels(origin)))
    if (this.#isClosed) return
    if (targets !== this.#targets) {
      this.#askIn(0)
      return
    }
    const errors: unknown[] = []
    answers.forEach((answer, i) => {
      if (answer.status === 'fulfilled') this.#said.set(targets[i] ?? '', answer.value)
      else errors.push(answer.reason)
    })
    // A list without a model that another target may serve would be a 404, which nobody tries again: all are heard first.
    if (this.#said.size > 0) this.#learn([...new Set([...this.#said.values()].flat())].sort())
    if (errors.length === 0) {
      this.#retryMs = FIRST_RETRY_MS
      this.#askIn(REFRESH_MS)
      return
    }
    if (errors.length === answers.length) {
      this.#init.log.warn(
        { pool: this.#name, retryInMs: this.#retryMs, err: String(errors[0]) },
        'no engine of the pool says what it serves'
      )
    }
    this.#askIn(this.#retryMs)
    this.#retryMs = Math.min(this.#retryMs * 2, MAX_RETRY_MS)
  }

  /** Other engines may serve something else: they are asked at once. */
  follow(targets: readonly string[]): void {
    if (isDeepStrictEqual(this.#targets, targets)) return
    this.#targets = targets
    for (const origin of this.#said.keys()) if (!targets.includes(origin)) this.#said.delete(origin)
    if (this.#clock !== null) this.#askIn(0)
  }

  close(): void {
    this.#isClosed = true
    if (this.#clock !== null) clearTimeout(this.#clock)
  }

  #learn(models: readonly string[]): void {
    if (this.models !== null && this.models.join('\n') === models.join('\n')) return
    this.models = models
    this.#init.log.info({ pool: this.#name, models }, 'the pool serves')
    this.#onReady()
  }

  #askIn(ms: Ms): void {
    if (this.#clock !== null) clearTimeout(this.#clock)
    // A tenth more or less, so that many gates do not ask at the same moment.
    this.#clock = setTimeout(() => this.ask(), ms * (0.9 + 0.2 * this.#init.random()))
    this.#clock.unref()
  }
}
