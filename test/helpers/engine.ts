import { readFile } from 'node:fs/promises'
import type { Test } from 'tap'
import { startDouble } from './double.ts'
import type { EngineEvent, EngineOptions, Received, Script } from './engine-main.ts'
import { freePort } from './ports.ts'

export type { EngineOptions, Received, Script } from './engine-main.ts'

/** An engine process of the test's own. */
export interface EngineDouble {
  readonly origin: string
  readonly port: number
  readonly pid: number
  /** What coming requests get. */
  script(next: Script): Promise<void>
  /** Lets go of everything that is held now. */
  release(): Promise<void>
  /** What it says of its work from now on. */
  tell(load: NonNullable<EngineOptions['load']>): Promise<void>
  /** What has come, oldest first, without `/v1/models` and questions after its health. */
  requests(): Promise<readonly Received[]>
  /** Resolves at the nth event of a kind, counted from the start: a request read, an answer ended, a caller gone. */
  waitFor(kind: EngineEvent['kind'], count?: number): Promise<EngineEvent>
  connections(): Promise<number>
  /** How often it was asked for its health or its load. */
  probes(): Promise<number>
  /** Lets the process stand still; resolves when it does. */
  freeze(): Promise<void>
  /** Lets it go on. */
  thaw(): void
  /** Ends the process at once; resolves when it is gone. */
  kill(): Promise<void>
}

/** Starts an engine that does what its script says; it ends with the test. Those of `flavours/` do as real ones do. */
export async function startEngine(t: Pick<Test, 'teardown'>, options: EngineOptions = {}): Promise<EngineDouble> {
  // One that is ended and started again finds its port free: no connection is given it in the meantime.
  const port = options.port ?? (await freePort())
  const { origin, pid, ask, until, kill } = await startDouble<EngineEvent>(
    t,
    new URL('engine-main.ts', import.meta.url),
    { ENGINE: JSON.stringify({ ...options, port }) }
  )
  return {
    origin,
    port,
    pid,
    script: async next => {
      await ask('script', next)
    },
    release: async () => {
      await ask('release')
    },
    tell: async load => {
      await ask('load', load)
    },
    freeze: async () => {
      process.kill(pid, 'SIGSTOP')
      while (!/\) T /.test(await readFile(`/proc/${pid}/stat`, 'utf8'))) await new Promise(setImmediate)
    },
    thaw: () => process.kill(pid, 'SIGCONT'),
    requests: async () => (await ask('requests')) as readonly Received[],
    connections: async () => (await ask('connections')) as number,
    probes: () => until(events => events.filter(({ kind }) => kind === 'probe').length),
    waitFor: (kind, count = 1) => until(events => events.filter(event => event.kind === kind)[count - 1]),
    kill
  }
}
