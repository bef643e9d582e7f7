import type { PoolOptions } from '../../src/route/options.ts'
import { Pool, type PoolDeps } from '../../src/route/pool.ts'

/** Options of a pool as a file without more than targets and models has them. */
export function poolOptions(name: string, origins: readonly string[], more: Partial<PoolOptions> = {}): PoolOptions {
  return {
    name,
    engine: 'vllm',
    targets: origins.map(origin => ({ origin, weight: 1, maxInflight: Number.POSITIVE_INFINITY })),
    models: null,
    balance: 'least_inflight',
    maxInflight: Number.POSITIVE_INFINITY,
    queue: { size: 512, perTeam: 512, timeoutMs: 30_000 },
    health: { everyMs: 5_000, fall: 3, rise: 2 },
    ...more
  }
}

/** A pool with a clock and chance of the test's own. */
export function poolOf(options: PoolOptions, deps: Partial<PoolDeps> = {}): Pool {
  return new Pool(options, {
    nowMs: () => 0,
    random: () => 0,
    learned: () => null,
    log: { warn() {}, info() {} },
    ...deps
  })
}

/** A call of which nothing is known. */
export const WORK = { inputBytes: 0, maxOutputTokens: Number.POSITIVE_INFINITY, streamedBytes: () => 0 } as const

/** A call that stays until it ends, of no session. */
export const ANYBODY = {
  team: 'red',
  weight: 1,
  class: 'default',
  model: 'm',
  work: () => WORK,
  session: () => null,
  onLeave: () => {}
} as const

/** The rest of a team that no test is about. */
export const EQUAL = { weight: 1, class: 'default' } as const
