import type { NowMs } from '../time.ts'
import { type Charger, createCharger } from './charger.ts'
import { Estimator } from './estimate.ts'
import { openLedger } from './open.ts'
import type { ChargeOptions } from './options.ts'
import { recoverBoots } from './recover.ts'

/** Who is told of what befalls the ledger. */
interface Log {
  info(facts: object, message: string): void
  warn(facts: object, message: string): void
  error(facts: object, message: string): void
}

/** The ledger of a gate, and what keeps it. */
export interface OpenBook {
  readonly charger: Charger
  /** Begins to look for boots that have died, here or beside. */
  start(): void
  /** Called when the last exchange has settled. */
  close(): Promise<void>
}

/** A gate beside this one may die at any time. */
const LOOK_MS = 60_000

/** Opens the ledger. @throws LedgerError */
export function openBook(options: ChargeOptions, { nowMs, log }: { nowMs: NowMs; log: Log }): OpenBook {
  const { dir, onFailure } = options
  const ledger = openLedger({
    ...options,
    nowMs,
    onFailing: err => log.error({ err, dir, onFailure }, 'usage cannot be written; it is held and tried again'),
    onRecovered: () => log.warn({ dir }, 'usage is written again'),
    onLost: lines => log.error({ dir, lines }, 'lines of usage were lost')
  })
  let look: Promise<void> | null = null
  let clock: NodeJS.Timeout | null = null
  const recover = () => {
    look ??= recoverBoots(dir, ledger.book.boot, nowMs, {
      recovered: what => log.warn({ dir, ...what }, 'the ledger of a gate that had died was brought to its end'),
      failed: (boot, err) =>
        log.error({ dir, boot, err }, 'the ledger of a gate that had died cannot be brought to its end')
    })
      .catch(err => log.error({ dir, err }, 'the folder of the ledger cannot be read'))
      .finally(() => {
        look = null
      })
  }
  return {
    charger: createCharger({ ledger, estimator: new Estimator(options), onFailure }),
    start() {
      recover()
      clock = setInterval(recover, LOOK_MS)
      clock.unref()
    },
    async close() {
      if (clock !== null) clearInterval(clock)
      await look
      await ledger.close()
    }
  }
}
