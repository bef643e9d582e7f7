import type { Test } from 'tap'
import type { Engine } from '../../src/engines/table.ts'
import type { CountingOptions, Made } from './counting-engine-main.ts'
import { startDouble } from './double.ts'

export type { CountingOptions, Made } from './counting-engine-main.ts'

/** Engines that generate over time, stop when their callers have gone, and know what they have made. */
export interface CountingEngines {
  originOf(engine: Engine): string
  /** By the first word of the prompts. */
  made(): Promise<ReadonlyMap<string, Made>>
  /** Calls that they work on. */
  working(): Promise<number>
}

/** Starts engines that count; they end with the test. Each speaks the dialects, and tells its usage, as the named one does. */
export async function startCountingEngines(
  t: Pick<Test, 'teardown'>,
  options: CountingOptions
): Promise<CountingEngines> {
  const { ask } = await startDouble(t, new URL('counting-engine-main.ts', import.meta.url), {
    COUNTING: JSON.stringify(options)
  })
  const ports = new Map((await ask('ports')) as [Engine, number][])
  return {
    originOf: engine => `http://127.0.0.1:${ports.get(engine)}`,
    made: async () => new Map((await ask('made')) as [string, Made][]),
    working: async () => (await ask('working')) as number
  }
}
