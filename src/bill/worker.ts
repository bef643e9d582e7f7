import { join } from 'node:path'
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import type { Ms } from '../time.ts'
import { Zone } from './calendar.ts'
import { type MyUsage, myUsage, type Who } from './my-usage.ts'
import { roll } from './roll.ts'
import { ROLLUP_FILE, Rollup } from './rollup.ts'

/** What the thread is given. */
export interface WorkerInit {
  readonly dir: string
  readonly timeZone: string
}

/** What it is told: a question, or to end. */
export type ToWorker = { readonly id: string; readonly who: Who } | 'close'
/** What it tells: an answer, or why there is none. Without an `id`, nobody has asked. */
export type FromWorker =
  | { readonly id: string; readonly usage: MyUsage }
  | { readonly id: string | null; readonly failed: string }

/** The sums follow the ledger, asked or not, so that a question finds little to do. */
const ROLL_EVERY_MS: Ms = 60_000

/**
 * Adds up a ledger and answers questions, in a thread of its own. An answer has everything that stood in the ledger when its
 * question came; until all of it is read, no question is answered. While nobody waits, it works half of the time.
 */
export class UsageThread {
  readonly #port: MessagePort
  readonly #dir: string
  readonly #zone: Zone
  readonly #clock: NodeJS.Timeout
  #rollup: Rollup | null = null
  /** Questions that have come since the rolling began. */
  #next: { readonly id: string; readonly who: Who }[] = []
  #isRolling = false

  constructor(port: MessagePort, { dir, timeZone }: WorkerInit) {
    this.#port = port
    this.#dir = dir
    this.#zone = new Zone(timeZone)
    this.#clock = setInterval(() => void this.#work(), ROLL_EVERY_MS)
    port.on('message', (message: ToWorker) => {
      if (message === 'close') this.#close()
      else {
        this.#next.push(message)
        void this.#work()
      }
    })
    void this.#work()
  }

  async #work(): Promise<void> {
    if (this.#isRolling) return
    this.#isRolling = true
    do {
      const questions = this.#next
      this.#next = []
      try {
        this.#answer(questions, await this.#roll(questions.length > 0))
      } catch (err) {
        this.#rollup?.close()
        this.#rollup = null
        const failed = err instanceof Error ? err.message : String(err)
        for (const id of questions.length === 0 ? [null] : questions.map(question => question.id))
          this.#tell({ id, failed })
      }
    } while (this.#next.length > 0)
    this.#isRolling = false
  }

  /** @returns up to when the sums go */
  async #roll(isAsked: boolean): Promise<Ms> {
    const asOfMs = Date.now()
    this.#rollup ??= new Rollup(join(this.#dir, ROLLUP_FILE))
    let before = performance.now()
    for (const _ of roll(this.#dir, this.#rollup)) {
      const tookMs = performance.now() - before
      const isWaited = isAsked || this.#next.length > 0
      await new Promise(resolve => setTimeout(resolve, isWaited ? 0 : tookMs))
      before = performance.now()
    }
    return asOfMs
  }

  #answer(questions: readonly { readonly id: string; readonly who: Who }[], asOfMs: Ms): void {
    const rollup = this.#rollup
    if (rollup === null) return
    for (const { id, who } of questions) this.#tell({ id, usage: myUsage(rollup, who, this.#zone, asOfMs) })
  }

  #tell(message: FromWorker): void {
    this.#port.postMessage(message)
  }

  #close(): void {
    clearInterval(this.#clock)
    // Between two steps: what was added stands.
    this.#rollup?.close()
    process.exit()
  }
}

if (parentPort !== null) new UsageThread(parentPort, workerData as WorkerInit)
