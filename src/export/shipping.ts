import { Worker } from 'node:worker_threads'
import type { Ms, NowMs } from '../time.ts'
import type { WorkerInit, WorkerNews } from './worker.ts'

/** Who is told of what befalls the sinks. */
interface Log {
  info(facts: object, message: string): void
  warn(facts: object, message: string): void
  error(facts: object, message: string): void
}

/** What is known of a sink. */
export interface SinkStatus {
  readonly name: string
  /** Whether this gate ships to it now, and no other one. */
  readonly isOurs: boolean
  /** How old the oldest record is that is on its way; 0 when all is shipped. */
  readonly lagMs: Ms
  /** Since the start: tries that failed, records that were taken, and those in the file of dead letters. */
  readonly failures: number
  readonly shipped: number
  readonly dead: number
  /** Why the last try failed; null after one that did not. */
  readonly fault: string | null
}

/** Sinks that are served beside the gate. */
export interface Shipping {
  start(): void
  status(): readonly SinkStatus[]
  /** Ships what is there, for so long as that may take. Called when the ledger is closed. */
  close(): Promise<void>
}

interface State {
  isOurs: boolean
  oldestMs: Ms | null
  failures: number
  shipped: number
  dead: number
  fault: string | null
}

/** How long the end of the gate waits for its sinks. What is left is shipped by the next start, or by another gate. */
const DRAIN_MS: Ms = 5_000
const RESTART_MS: Ms = 1_000
const MAX_HEAP_MB = 256

/** Ships the usages of a folder in a thread of its own: no call waits for a sink, or for the reading of files. */
export function createShipping(
  init: WorkerInit & { readonly nowMs: NowMs; readonly log: Log; readonly drainMs?: Ms }
): Shipping {
  const { dir, sinks, resolver, nowMs, log, drainMs = DRAIN_MS } = init
  const states = new Map<string, State>(
    sinks.map(({ name }) => [
      name,
      { isOurs: false, oldestMs: null, failures: 0, shipped: 0, dead: 0, fault: null } satisfies State
    ])
  )
  let worker: Worker | null = null
  let restart: NodeJS.Timeout | null = null
  let isClosing = false

  function begin(): void {
    const own = new Worker(new URL('./worker.ts', import.meta.url), {
      workerData: { dir, sinks, resolver } satisfies WorkerInit,
      resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB }
    })
    worker = own
    own.on('message', (news: WorkerNews) => {
      const state = states.get(news.sink)
      if (state !== undefined) hear(news, state, { log, nowMs })
    })
    own.on('error', err => log.error({ err }, 'the thread that ships usage has died; it is started again'))
    own.once('exit', () => {
      for (const state of states.values()) state.isOurs = false
      if (isClosing) return
      worker = null
      restart = setTimeout(begin, RESTART_MS)
      restart.unref()
    })
  }

  return {
    start: begin,
    status: () =>
      [...states].map(([name, { oldestMs, ...state }]) => ({
        name,
        ...state,
        lagMs: oldestMs === null ? 0 : Math.max(0, nowMs() - oldestMs)
      })),
    async close() {
      isClosing = true
      if (restart !== null) clearTimeout(restart)
      const own = worker
      if (own === null) return
      const ended = new Promise<void>(resolve => own.once('exit', () => resolve()))
      const late = setTimeout(() => void own.terminate(), drainMs)
      own.postMessage('drain')
      await ended
      clearTimeout(late)
      for (const { name, fault } of this.status())
        if (fault !== null) log.warn({ sink: name, fault }, 'usage is left to be shipped by the next start')
    }
  }
}

/** Takes note, and tells the operator of what changes. */
function hear(news: WorkerNews, state: State, { log, nowMs }: { log: Log; nowMs: NowMs }): void {
  const { sink } = news
  switch (news.is) {
    case 'standby':
      state.isOurs = false
      state.oldestMs = null
      log.info({ sink }, 'another gate ships usage to this sink; this one stands by')
      break
    case 'begun':
      state.isOurs = true
      log.info({ sink }, 'usage is shipped')
      break
    case 'failed':
      state.failures++
      if (state.fault !== news.message)
        log.error({ sink, fault: news.message, waitMs: news.waitMs }, 'a sink does not take usage; it is tried again')
      state.fault = news.message
      break
    case 'taken':
      if (state.fault !== null) log.warn({ sink }, 'the sink takes usage again')
      state.fault = null
      break
    case 'pending':
      state.oldestMs = news.oldestMs
      break
    case 'shipped':
      state.shipped += news.count
      state.dead += news.dead
      if (news.dead > 0)
        log.error({ sink, records: news.dead }, 'records that a sink refuses are in the file of dead letters')
      break
    case 'trouble':
      log.error({ sink, trouble: news.message }, 'something of the ledger cannot be shipped')
      break
    case 'broken':
      state.failures++
      state.isOurs = true
      state.oldestMs ??= nowMs()
      if (state.fault !== news.message)
        log.error({ sink, fault: news.message }, 'usage cannot be shipped; it is tried again')
      state.fault = news.message
      break
  }
}
