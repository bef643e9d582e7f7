import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import type { Ms } from '../../src/time.ts'

/** A process that this program started, and the file that holds all it said. */
export interface Child {
  readonly process: ChildProcess
  readonly logFile: string
  /** Everything on stdout and stderr so far. */
  said(): string
  /** Resolves with the exit code, or the signal that ended it. */
  readonly exit: Promise<number | string>
}

/** How a process is started. */
interface StartOptions {
  readonly logFile: string
  readonly env?: NodeJS.ProcessEnv
  /** Its stdin and stdout are pipes; else all that it says is in the log. */
  readonly talks?: boolean
}

/** Starts processes and ends every one of them, with whatever they started themselves. */
export class Children {
  readonly #running = new Set<Child>()
  #isEnded = false

  /**
   * Each is the leader of a group of its own: an engine has workers, and Ctrl-C in the terminal reaches this program
   * alone, which then ends them in order.
   */
  start(command: string, args: readonly string[], options: StartOptions): Child {
    if (this.#isEnded) throw new Error('everything is being ended')
    const { logFile, env, talks = false } = options
    const log = openSync(logFile, 'a')
    const process_ = spawn(command, args, {
      env: { ...process.env, ...env },
      stdio: talks ? ['pipe', 'pipe', log] : ['ignore', log, log],
      detached: true
    })
    closeSync(log)
    const exit = new Promise<number | string>(resolve => {
      process_.once('exit', (code, signal) => resolve(code ?? signal ?? 'gone'))
      process_.once('error', error => resolve(error.message))
    })
    const child: Child = { process: process_, logFile, exit, said: () => readFileSync(logFile, 'utf8') }
    this.#running.add(child)
    exit.then(() => {
      // What it started may have outlived it.
      signalGroup(child, 'SIGKILL')
      this.#running.delete(child)
    })
    return child
  }

  /** Runs a command to its end. @throws with the end of its log when it fails or takes too long */
  async run(command: string, args: readonly string[], options: StartOptions & { limitMs: Ms }): Promise<void> {
    const child = this.start(command, args, options)
    const code = await Promise.race([child.exit, after(options.limitMs, 'too slow')])
    if (code === 0) return
    await this.end(child)
    throw new Error(`${[command, ...args].join(' ')}: ${code}\n${tail(child)}`)
  }

  /** Asks a process to end, and insists after `graceMs`. */
  async end(child: Child, graceMs: Ms = 10_000): Promise<void> {
    signalGroup(child, 'SIGTERM')
    await Promise.race([child.exit, after(graceMs)])
    signalGroup(child, 'SIGKILL')
    await Promise.race([child.exit, after(5_000)])
  }

  /** Ends everything, and starts nothing any more. */
  async endAll(): Promise<void> {
    this.#isEnded = true
    await Promise.all([...this.#running].map(child => this.end(child)))
  }
}

function signalGroup({ process: { pid } }: Child, signal: NodeJS.Signals): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, signal)
  } catch {
    // Nobody is left in the group.
  }
}

/** The last lines that a process said. */
export function tail(child: Child, lines = 30): string {
  return child.said().split('\n').slice(-lines).join('\n')
}

/** Asks until the answer is true. @throws when it is not in time, or when a process that is needed has ended */
export async function until(
  what: string,
  limitMs: Ms,
  question: () => Promise<boolean> | boolean,
  needed?: Child
): Promise<void> {
  let ended: number | string | null = null
  needed?.exit.then(code => {
    ended = code
  })
  const endsAtMs = performance.now() + limitMs
  while (!(await question())) {
    if (needed !== undefined && ended !== null) throw new Error(`${what}: it ended (${ended})\n${tail(needed)}`)
    if (performance.now() > endsAtMs) {
      throw new Error(`${what}: not within ${limitMs / 1000} s${needed === undefined ? '' : `\n${tail(needed)}`}`)
    }
    await after(25)
  }
}

/** Resolves after a while. */
export function after<T = void>(ms: Ms, value?: T): Promise<T> {
  return new Promise<T>(resolve => setTimeout(resolve, ms, value as T))
}
