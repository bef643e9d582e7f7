import { setTimeout as sleep } from 'node:timers/promises'
import { isLocked, type Lock, takeLock } from '../segments/lock.ts'
import type { Ms, NowMs } from '../time.ts'
import { Cursor, sinkFiles } from './cursor.ts'
import { bury } from './dead-letters.ts'
import { Delivery } from './delivery.ts'
import { createHttpSink } from './http-sink.ts'
import type { SinkOptions } from './options.ts'
import { createPostgresSink } from './postgres-sink.ts'
import { type Batch, LedgerReader } from './reader.ts'
import type { Sink } from './sink.ts'

/** What befalls a sink, for whoever counts and tells. */
export interface ShipperEvents {
  /** Another process ships to this sink; this one stands by. */
  standby(): void
  /** It is this process that ships from now on. */
  begun(): void
  /** A try failed; it is made again after so long. */
  failed(message: string, waitMs: Ms): void
  /** The sink takes records, after it had failed or from the beginning. */
  taken(): void
  /** Records are on their way: when the oldest was written, or null when there is none. */
  pending(oldestMs: Ms | null): void
  /** Records are kept by the sink, and some are in the file of dead letters. */
  shipped(count: number, dead: number): void
  /** Something of the ledger cannot be shipped. */
  trouble(message: string): void
}

/** How to go about it. */
export interface ShipperInit {
  readonly dir: string
  readonly options: SinkOptions
  /** Waits for what comes, and for its turn. Else: what is there, and if it has its turn. */
  readonly follow: boolean
  readonly patienceMs: Ms
  readonly nowMs: NowMs
  readonly random: () => number
  /** Leave at once. What was sent and not answered is sent again by the next. */
  readonly stop: AbortSignal
  /** Ship what is there, and leave; at the first failure too. */
  readonly drain: AbortSignal
  readonly on: ShipperEvents
}

/** How it ended: all that was there is shipped, `partly` where some cannot be read, `busy` where another process ships. */
export type Shipped = 'all' | 'partly' | 'busy' | 'stopped'

const LOOK_MS: Ms = 500

/** The sink that options are about. */
export function createSink({ to, timeoutMs }: SinkOptions, nowMs: NowMs): Sink {
  return to.kind === 'http' ? createHttpSink(to, { timeoutMs, nowMs }) : createPostgresSink(to, { timeoutMs })
}

/**
 * Ships the usages of a folder to a sink: one process at a time, from where the last one was, at least once. The cursor moves
 * when the sink has answered, and no sooner.
 * @throws GaveUp, CursorError, the error of SQLite for a lock that cannot be opened, the file system's error
 */
export async function ship(init: ShipperInit): Promise<Shipped> {
  const files = sinkFiles(init.dir, init.options.name)
  const lock = await turn(files.lock, init)
  if (lock === null) return init.follow ? 'stopped' : 'busy'
  const sink = createSink(init.options, init.nowMs)
  try {
    init.on.begun()
    return await shipAll(init, sink, files)
  } finally {
    await sink.close()
    lock.release()
  }
}

async function turn(file: string, { follow, stop, drain, on }: ShipperInit): Promise<Lock | null> {
  for (let isFirst = true; ; isFirst = false) {
    if (stop.aborted) return null
    // Who takes it waits a while for somebody who only looks, and the other sinks of this thread with it.
    const lock = isLocked(file) === true ? null : takeLock(file)
    if (lock !== null || !follow || drain.aborted) return lock
    if (isFirst) on.standby()
    await pause(LOOK_MS, stop, drain)
  }
}

async function shipAll(init: ShipperInit, sink: Sink, files: ReturnType<typeof sinkFiles>): Promise<Shipped> {
  const { dir, options, follow, stop, drain, on } = init
  const cursor = Cursor.read(files.cursor)
  const reader = new LedgerReader(dir, cursor.places, ({ boot, file, message }) =>
    on.trouble(`${file ?? boot}: ${message}`)
  )
  const delivery = new Delivery({ ...init, sink, onFailure: on.failed, onSuccess: on.taken })
  for (;;) {
    // Asked before it is read: what was written before the drain began is seen.
    const isLast = !follow || drain.aborted
    const batch = await reader.next({ records: options.batchRecords, bytes: options.batchBytes })
    on.pending(oldestOf(batch))
    if (batch.events.length > 0) {
      const letters = await delivery.deliver(batch.events)
      if (letters.length > 0)
        bury(files.deadLetters, letters, { sink: options.name, at: new Date(init.nowMs()).toISOString() })
      cursor.advance(batch.places, batch.present)
      on.shipped(batch.events.length - letters.length, letters.length)
    } else {
      if (hasMovedOn(batch, cursor)) cursor.advance(batch.places, batch.present)
      if (isLast) return batch.unread.size > 0 ? 'partly' : 'all'
      await pause(LOOK_MS, stop, drain)
    }
    if (stop.aborted) return 'stopped'
  }
}

/** Another segment, or the end: worth a write although nothing was shipped. */
function hasMovedOn({ places }: Batch, cursor: Cursor): boolean {
  return [...places].some(([source, { segment, isDone }]) => {
    const before = cursor.places.get(source)
    return before === undefined || before.segment !== segment || before.isDone !== isDone
  })
}

function oldestOf({ events }: Batch): Ms | null {
  let oldest: Ms | null = null
  for (const { time } of events) {
    const ms = Date.parse(time)
    if (!Number.isNaN(ms)) oldest = oldest === null ? ms : Math.min(oldest, ms)
  }
  return oldest
}

async function pause(ms: Ms, ...signals: AbortSignal[]): Promise<void> {
  await sleep(ms, undefined, { signal: AbortSignal.any(signals) }).catch(() => {})
}
