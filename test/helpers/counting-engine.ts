import type { Test } from 'tap'
import type { CountingOptions, Made } from './counting-engine-main.ts'
import { startDouble } from './double.ts'

export type { CountingOptions, Made } from './counting-engine-main.ts'

/** An engine that generates over time, stops when its caller has gone, and knows what it has made. */
export interface CountingEngine {
  readonly origin: string
  /** By the first word of the prompts. */
  made(): Promise<ReadonlyMap<string, Made>>
  /** Calls that it works on. */
  working(): Promise<number>
}

/** Starts an engine that counts; it ends with the test. It speaks the dialects, and tells its usage, as the named one does. */
export async function startCountingEngine(
  t: Pick<Test, 'teardown'>,
  options: CountingOptions
): Promise<CountingEngine> {
  const { origin, ask } = await startDouble(t, new URL('counting-engine-main.ts', import.meta.url), {
    COUNTING: JSON.stringify(options)
  })
  return {
    origin,
    made: async () => new Map((await ask('made')) as [string, Made][]),
    working: async () => (await ask('working')) as number
  }
}
