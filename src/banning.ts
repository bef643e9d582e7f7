import { banRecord } from './audit/ban.ts'
import type { AuditRecord } from './audit/record.ts'
import { tellOfBan } from './identify/ban-line.ts'
import { BanShare } from './identify/ban-share.ts'
import { ValkeyBanStore } from './identify/ban-store-valkey.ts'
import { type BanStats, Bans } from './identify/bans.ts'
import type { IdentifyOptions } from './identify/options.ts'
import type { ScriptRunner } from './scripts.ts'
import type { NowMs } from './time.ts'

/** Which addresses a gate keeps out, and what goes on beside that. */
export interface Banning {
  readonly bans: Bans
  stats(): BanStats
  /** Whether the store has answered last; false without one. */
  storeAnswers(): boolean
  follow(options: IdentifyOptions): void
  start(): void
  /** Before the connection to the store ends. */
  close(): Promise<void>
}

/**
 * Opens the bans of a gate: each is told to the operator and to the auditor, and to the gates that share a store.
 * @param connection null for a gate that is alone
 */
export function openBanning(
  options: IdentifyOptions,
  init: {
    readonly nowMs: NowMs
    readonly log: Parameters<typeof tellOfBan>[1]
    readonly write: (record: AuditRecord) => void
    readonly connection: ScriptRunner | null
  }
): Banning {
  const { nowMs, log, write, connection } = init
  const bans = new Bans(options, {
    nowMs,
    onChange(event) {
      tellOfBan(event, log)
      write(banRecord(event, nowMs()))
      share?.tell(event)
    }
  })
  const share = connection === null ? null : new BanShare({ store: new ValkeyBanStore(connection), bans, nowMs })
  return {
    bans,
    storeAnswers: () => share?.answers === true,
    stats: () => bans.stats(),
    follow(next) {
      bans.follow(next)
      share?.reread()
    },
    start: () => share?.start(),
    close: async () => await share?.close()
  }
}
