import { statfs } from 'node:fs/promises'
import type { Ms, NowMs } from '../time.ts'
import type { Bytes } from '../units.ts'
import { type Charger, createCharger } from './charger.ts'
import { openLedger } from './open.ts'
import type { ChargeOptions } from './options.ts'
import { recoverBoots } from './recover.ts'
import type { LedgerStats } from './tally.ts'

/** Who is told of what befalls the ledger. */
interface Log {
  info(facts: object, message: string): void
  warn(facts: object, message: string): void
  error(facts: object, message: string): void
}

/** The ledger of a gate, and what keeps it. */
export interface OpenBook {
  readonly charger: Charger
  /** What has become of its lines, and the room that the disk had a minute ago at most; null when that is not known. */
  readonly stats: LedgerStats & { readonly diskFreeBytes: Bytes | null }
  /** Begins to look for boots that have died, here or beside. */
  start(): void
  /** Called when the last exchange has settled. */
  close(): Promise<void>
}

/** Who counts what befalls it. */
export interface BookEvents {
  /** @param ms how long the first of a group of lines has waited until the kernel had them */
  onWritten(ms: Ms): void
}

/** A gate beside this one may die at any time. */
const LOOK_MS = 60_000

/** Opens the ledger. @throws LedgerError */
export function openBook(
  options: ChargeOptions,
  { nowMs, log, events }: { nowMs: NowMs; log: Log; events?: BookEvents }
): OpenBook {
  const { dir, onFailure } = options
  const ledger = openLedger({
    ...options,
    nowMs,
    onFailing: err => log.error({ err, dir, onFailure }, 'usage cannot be written; it is held and tried again'),
    onRecovered: () => log.warn({ dir }, 'usage is written again'),
    ...(events === undefined ? {} : { onWritten: ms => events.onWritten(ms) }),
    onLost: lines => log.error({ dir, lines }, 'lines of usage were lost')
  })
  let recovering: Promise<void> | null = null
  let clock: NodeJS.Timeout | null = null
  const recover = () => {
    recovering ??= recoverBoots(dir, ledger.book.boot, nowMs, {
      recovered: what => log.warn({ dir, ...what }, 'the ledger of a gate that had died was brought to its end'),
      failed: (boot, err) =>
        log.error({ dir, boot, err }, 'the ledger of a gate that had died cannot be brought to its end')
    })
      .catch(err => log.error({ dir, err }, 'the folder of the ledger cannot be read'))
      .finally(() => {
        recovering = null
      })
  }
  let diskFreeBytes: Bytes | null = null
  const look = () => {
    recover()
    statfs(dir).then(
      ({ bavail, bsize }) => {
        diskFreeBytes = bavail * bsize
      },
      () => {
        diskFreeBytes = null
      }
    )
  }
  return {
    charger: createCharger({ ...options, ledger }),
    get stats() {
      return { ...ledger.stats, diskFreeBytes }
    },
    start() {
      look()
      clock = setInterval(look, LOOK_MS)
      clock.unref()
    },
    async close() {
      if (clock !== null) clearInterval(clock)
      // Both at once: recovery goes on from where it was with the next start, lines that are held would be lost.
      await Promise.all([ledger.close(), recovering])
    }
  }
}
