import type { Ms } from '../time.ts'
import type { KeyState } from './key-states.ts'

/** A key of the mint has come into another state. */
export interface KeyChange {
  readonly kid: string
  /** Null for one that is not there any more. */
  readonly alg: string | null
  readonly state: KeyState | 'removed'
  /** Null for one that was not known before. */
  readonly from: KeyState | null
  /** When the next one comes; null where nothing does by itself. */
  readonly untilMs: Ms | null
}

/** One line of the operator's log for each change of a key. A key that goes before its time takes its tokens with it. */
export function tellOfKey(
  { kid, alg, state, from, untilMs }: KeyChange,
  log: { info(facts: object, message: string): void; warn(facts: object, message: string): void }
): void {
  const until = untilMs === null ? null : new Date(untilMs).toISOString()
  if (state !== 'removed') log.info({ kid, alg, state, from, until }, 'a key of the mint')
  else if (from === 'gone') log.info({ kid, state, from }, 'a key of the mint')
  else log.warn({ kid, state, from }, 'a key of the mint was taken away: its tokens are refused')
}
