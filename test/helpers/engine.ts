import { type ChildProcess, fork } from 'node:child_process'
import type { Test } from 'tap'
import type { EngineEvent, Received, Script } from './engine-main.ts'

export type { Received, Script } from './engine-main.ts'

/** An engine process of the test's own. */
export interface EngineDouble {
  readonly origin: string
  readonly pid: number
  /** What coming requests get. */
  script(next: Script): Promise<void>
  /** What has come, oldest first, without `/v1/models`. */
  requests(): Promise<readonly Received[]>
  /** Resolves at the nth event of a kind, counted from the start: a request read, an answer ended, a caller gone. */
  waitFor(kind: EngineEvent['kind'], count?: number): Promise<EngineEvent>
  connections(): Promise<number>
  /** Ends the process at once; resolves when it is gone. */
  kill(): Promise<void>
}

type Answer = { readonly id: number; readonly value: unknown }
type Hello = { readonly hello: number }

/** Starts an engine that behaves as engines do (engines.md sections 3 and 4); it ends with the test. */
export async function startEngine(
  t: Test,
  options: { models?: string[]; requireKey?: string } = {}
): Promise<EngineDouble> {
  const child: ChildProcess = fork(new URL('engine-main.ts', import.meta.url), {
    env: { ...process.env, ENGINE: JSON.stringify(options) },
    execArgv: [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc']
  })
  t.teardown(() => child.kill('SIGKILL'))
  const events: EngineEvent[] = []
  const waiting = new Set<() => void>()
  const asked = new Map<number, (value: unknown) => void>()
  let nextId = 0
  const port = await new Promise<number>((resolve, reject) => {
    child.once('exit', code => reject(new Error(`the engine ended with ${code}`)))
    child.on('message', (message: Answer | Hello | EngineEvent) => {
      if ('hello' in message) resolve(message.hello)
      else if ('kind' in message) {
        events.push(message)
        for (const wake of waiting) wake()
      } else {
        asked.get(message.id)?.(message.value)
        asked.delete(message.id)
      }
    })
  })
  const ask = (verb: string, argument?: unknown) =>
    new Promise<unknown>(resolve => {
      const id = nextId++
      asked.set(id, resolve)
      child.send({ id, verb, argument })
    })

  return {
    origin: `http://127.0.0.1:${port}`,
    pid: child.pid ?? 0,
    script: async next => {
      await ask('script', next)
    },
    requests: async () => (await ask('requests')) as readonly Received[],
    connections: async () => (await ask('connections')) as number,
    waitFor: async (kind, count = 1) => {
      for (;;) {
        const found = events.filter(event => event.kind === kind)[count - 1]
        if (found !== undefined) return found
        await new Promise<void>(resolve => {
          const wake = () => {
            waiting.delete(wake)
            resolve()
          }
          waiting.add(wake)
        })
      }
    },
    kill: () =>
      new Promise(resolve => {
        child.once('exit', () => resolve())
        child.kill('SIGKILL')
      })
  }
}
