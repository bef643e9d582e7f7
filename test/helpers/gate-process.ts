import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'

const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url))

/**
 * For the `server` of a gate's file: however late it is, it lets everybody in. Tests share their machine with other tests, and
 * what is late there says nothing of the gate.
 */
export const NEVER_SHEDS = 'overload: { delay: 1h }'

/** The gate as operators run it: a process of its own. */
export interface GateProcess {
  readonly child: ChildProcess
  /** Everything on stderr so far. */
  stderr(): string
  /** Resolves when a text stands on stderr, so many times; rejects when the gate ends without. */
  says(text: string | RegExp, times?: number): Promise<void>
  /** Resolves with the exit code, or the signal that ended it. */
  readonly exit: Promise<number | string>
}

/**
 * Starts `tollgate` with arguments; it ends with the test.
 * @param openFiles how many descriptors it may have
 * @param before a command that becomes the gate in the end, such as one that gives it a namespace
 */
export function runGate(
  t: Pick<Test, 'teardown'>,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  openFiles: number | 'unlimited' = 'unlimited',
  before: readonly string[] = []
): GateProcess {
  const limit = openFiles === 'unlimited' ? '' : `ulimit -n ${openFiles};`
  const command = [...before, process.execPath, CLI, ...args]
  const child = spawn('sh', ['-c', `${limit} exec "$0" "$@"`, ...command], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  child.stdout?.resume()
  t.teardown(() => child.kill('SIGKILL'))
  let text = ''
  const waiting = new Set<() => void>()
  child.stderr?.on('data', piece => {
    text += String(piece)
    for (const wake of waiting) wake()
  })
  let isGone = false
  const exit = new Promise<number | string>(resolve =>
    child.once('close', (code, signal) => {
      isGone = true
      for (const wake of waiting) wake()
      resolve(code ?? signal ?? 'gone')
    })
  )
  return {
    child,
    exit,
    stderr: () => text,
    says: async (wanted, times = 1) => {
      while (text.split(wanted).length <= times) {
        if (isGone) throw new Error(`the gate has ended and has not said ${wanted}:\n${text}`)
        await new Promise<void>(resolve => {
          const wake = () => {
            waiting.delete(wake)
            resolve()
          }
          waiting.add(wake)
        })
      }
    }
  }
}
