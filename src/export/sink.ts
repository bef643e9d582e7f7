import type { UsageEvent } from '../segments/format.ts'
import type { Ms } from '../time.ts'

/** Where records go. */
export interface Sink {
  /** Resolves when every record is kept there, whether it was there before or not. @throws SinkError */
  send(events: readonly UsageEvent[]): Promise<void>
  close(): Promise<void>
}

/**
 * Why records were not taken. `refused`: because of what at least one of them says, and it would be again. `unavailable`: for
 * any other reason, a wrong token or a missing table included. The message is for the operator and holds no secret.
 */
export class SinkError extends Error {
  readonly kind: 'refused' | 'unavailable'
  /** For how long it wants no more. */
  readonly retryAfterMs: Ms

  constructor(kind: SinkError['kind'], message: string, init: { retryAfterMs?: Ms; cause?: unknown } = {}) {
    super(message, { cause: init.cause })
    this.kind = kind
    this.retryAfterMs = init.retryAfterMs ?? 0
  }
}

/** What somebody else has said, shortly and without what a terminal would obey. @param secrets are masked */
export function quoted(text: string, secrets: readonly (string | null)[], max = 200): string {
  let clean = text
  for (const secret of secrets) if (secret !== null && secret !== '') clean = clean.replaceAll(secret, '••••')
  clean = clean.replace(/[\p{C}\s]+/gu, ' ').trim()
  return clean.length <= max ? clean : `${clean.slice(0, max)}…`
}
