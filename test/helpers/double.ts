import { type ChildProcess, fork } from 'node:child_process'
import type { Test } from 'tap'

/** A process of the test's own that listens on a free port, answers questions and tells what happens. */
export interface Double<Event> {
  readonly origin: string
  readonly pid: number
  /** Has it do something; resolves with its answer. */
  ask(verb: string, argument?: unknown): Promise<unknown>
  /** Resolves when what was told so far satisfies a question; asked again at every event. */
  until<T>(question: (events: readonly Event[]) => T | undefined): Promise<T>
  /** Ends the process at once; resolves when it is gone. */
  kill(): Promise<void>
}

type Answer = { readonly id: number; readonly value: unknown }
type Hello = { readonly hello: number }

/** Starts the module as a process; it ends with the test. It says `{ hello: port }`, `{ id, value }` and events with a `kind`. */
export async function startDouble<Event extends { readonly kind: string }>(
  t: Pick<Test, 'teardown'>,
  module: URL,
  env: NodeJS.ProcessEnv
): Promise<Double<Event>> {
  const child: ChildProcess = fork(module, {
    env: { ...process.env, ...env },
    execArgv: [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc']
  })
  t.teardown(() => child.kill('SIGKILL'))
  const events: Event[] = []
  const waiting = new Set<() => void>()
  const asked = new Map<number, (value: unknown) => void>()
  let nextId = 0
  const port = await new Promise<number>((resolve, reject) => {
    child.once('exit', code => reject(new Error(`the engine ended with ${code}`)))
    child.on('message', (message: Answer | Hello | Event) => {
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

  return {
    origin: `http://127.0.0.1:${port}`,
    pid: child.pid ?? 0,
    ask: (verb, argument) =>
      new Promise<unknown>(resolve => {
        const id = nextId++
        asked.set(id, resolve)
        child.send({ id, verb, argument })
      }),
    until: async question => {
      for (;;) {
        const found = question(events)
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
