import { Worker } from 'node:worker_threads'
import { LRUCache } from 'lru-cache'
import { GateError } from '../errors.ts'
import type { Ms } from '../time.ts'
import type { MyUsage, Who } from './my-usage.ts'
import type { FromWorker, ToWorker, WorkerInit } from './worker.ts'

/** Tells subjects what they have used. */
export interface Teller {
  /** @throws TOLLGATE_BILL_UNAVAILABLE when it cannot be told, too much is asked, or it takes too long */
  ask(who: Who): Promise<MyUsage>
  /** Begins to add up, in a thread of its own. */
  start(): void
  close(): Promise<void>
}

/** What a teller is given. */
export interface TellerInit extends WorkerInit {
  readonly log: {
    warn(facts: object, message: string): void
    error(facts: object, message: string): void
  }
  /** How long a question waits. */
  readonly patienceMs?: Ms
  /** What the thread runs. */
  readonly file?: URL
}

/** An answer is as good for so long. */
const FRESH_MS: Ms = 1_000
const MAX_ANSWERS = 1_000
/** Different questions that the thread has not answered, and all who wait for an answer. */
const MAX_QUESTIONS = 256
const MAX_WAITING = 1_000
const PATIENCE_MS: Ms = 5_000
const RESTART_MS: Ms = 1_000
const MAX_RESTART_MS: Ms = 60_000
const CLOSE_MS: Ms = 2_000
/** What the ledger writes of a longer name is cut, and may be somebody else's. */
const MAX_NAME = 256

interface Waiter {
  resolve(usage: MyUsage): void
  reject(error: GateError): void
  readonly clock: NodeJS.Timeout
}

export function createTeller(init: TellerInit): Teller {
  const { dir, timeZone, log, patienceMs = PATIENCE_MS, file = new URL('./worker.ts', import.meta.url) } = init
  const answers = new LRUCache<string, MyUsage>({ max: MAX_ANSWERS, ttl: FRESH_MS })
  const questions = new Map<string, Set<Waiter>>()
  let waiting = 0
  let worker: Worker | null = null
  let restart: NodeJS.Timeout | null = null
  let restartMs = RESTART_MS
  let isFailing = false
  let isClosed = false

  function begin(): void {
    restart = null
    const thread = new Worker(file, {
      workerData: { dir, timeZone } satisfies WorkerInit,
      // It needs no secret of the gate's, and a ledger of any size is added up in little memory.
      env: {},
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 8 }
    })
    thread.unref()
    thread.on('message', (message: FromWorker) => {
      restartMs = RESTART_MS
      if ('usage' in message) answered(message.id, message.usage)
      else failed(message.id, message.failed)
    })
    thread.on('error', err => failing(err))
    thread.on('exit', () => {
      if (worker === thread) worker = null
      for (const id of [...questions.keys()]) end(id, waiter => waiter.reject(unavailable('the thread has ended')))
      if (isClosed) return
      failing(new Error('the thread has ended'))
      restart = setTimeout(begin, restartMs)
      restart.unref()
      restartMs = Math.min(MAX_RESTART_MS, restartMs * 2)
    })
    worker = thread
  }

  function failing(err: unknown): void {
    if (!isFailing) log.error({ err, dir }, 'usage cannot be added up; it is tried again')
    isFailing = true
  }

  function failed(id: string | null, why: string): void {
    failing(new Error(why))
    if (id !== null) end(id, waiter => waiter.reject(unavailable(why)))
  }

  function answered(id: string, usage: MyUsage): void {
    if (isFailing) log.warn({ dir }, 'usage is added up again')
    isFailing = false
    answers.set(id, usage)
    end(id, waiter => waiter.resolve(usage))
  }

  function end(id: string, tell: (waiter: Waiter) => void): void {
    const waiters = questions.get(id) ?? []
    questions.delete(id)
    for (const waiter of waiters) {
      clearTimeout(waiter.clock)
      waiting--
      tell(waiter)
    }
  }

  async function ask(who: Who): Promise<MyUsage> {
    if (Object.values(who).some(name => name.length > MAX_NAME)) throw unavailable('the name is too long')
    const id = JSON.stringify([who.iss, who.sub, who.team])
    const known = answers.get(id)
    if (known !== undefined) return known
    if (worker === null) throw unavailable('the thread is away')
    const waiters = questions.get(id) ?? new Set<Waiter>()
    const isNew = !questions.has(id)
    if (waiting >= MAX_WAITING || (isNew && questions.size >= MAX_QUESTIONS)) throw unavailable('too much is asked')
    questions.set(id, waiters)
    if (isNew) worker.postMessage({ id, who } satisfies ToWorker)
    waiting++
    return await new Promise((resolve, reject) => {
      const clock = setTimeout(() => {
        // The question stays with the thread, so that the next one for it waits for the same answer.
        waiters.delete(waiter)
        waiting--
        reject(unavailable('it takes too long'))
      }, patienceMs)
      const waiter: Waiter = { resolve, reject, clock }
      waiters.add(waiter)
    })
  }

  return {
    ask,
    start: begin,
    async close() {
      isClosed = true
      if (restart !== null) clearTimeout(restart)
      const thread = worker
      if (thread === null) return
      thread.ref()
      const ended = new Promise(resolve => thread.once('exit', resolve))
      thread.postMessage('close' satisfies ToWorker)
      const clock = setTimeout(() => void thread.terminate(), CLOSE_MS)
      await ended
      clearTimeout(clock)
    }
  }
}

function unavailable(why: string): GateError {
  return new GateError('TOLLGATE_BILL_UNAVAILABLE', { why })
}
