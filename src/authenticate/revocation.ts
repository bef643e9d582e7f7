import type { Ms } from '../time.ts'

/** What can be taken back: one token, all of a subject or a team, all that a key has signed. */
export type RevocationKind = 'jti' | 'sub' | 'team' | 'kid'

/** In the order in which they are told. */
export const REVOCATION_KINDS: readonly RevocationKind[] = ['jti', 'sub', 'team', 'kid']

/** Something that was taken back. Never holds a token, nor a hash of one: a token has many spellings, and one name. */
export interface Revocation {
  readonly id: string
  readonly kind: RevocationKind
  /** The exact `iss`; null for a team of whatever issuer, and for nothing else. */
  readonly iss: string | null
  /** The `jti`, the subject, the team, the `kid`. */
  readonly value: string
  /** Tokens that were issued before are refused; null for all tokens. */
  readonly beforeMs: Ms | null
  readonly madeAtMs: Ms
  /** When no token that it covers can live any more; null for one that lasts until it is lifted. */
  readonly untilMs: Ms | null
  /** Running calls are ended too. */
  readonly cutStreams: boolean
  readonly reason: string | null
  /** Null while it is in force. One that was lifted is remembered, so that no gate that was away brings it back. */
  readonly liftedAtMs: Ms | null
}

/** How long tokens of any issuer can live, and how far clocks may differ. */
export interface Lifetimes {
  readonly maxLifetimeMs: Ms
  readonly clockSkewMs: Ms
}

const DAY_MS: Ms = 86_400_000
/** One that would never end is remembered as lifted for longer than any gate is away. */
const LIFTED_MS: Ms = 30 * DAY_MS

/** It is not in force any more. */
export function liftedOf(of: Revocation, nowMs: Ms): Revocation {
  return { ...of, liftedAtMs: nowMs, untilMs: of.untilMs ?? nowMs + LIFTED_MS }
}

/**
 * When a revocation ends by itself. Those of a key never do: whoever has a key goes on signing.
 * @param lifetimes the longest of all issuers; a configuration that lets tokens live longer prolongs what is in force
 */
export function endOf(of: Revocation, { maxLifetimeMs, clockSkewMs }: Lifetimes): Ms | null {
  // A day more: gates may differ in how long tokens live, and none may bring it back.
  if (of.liftedAtMs !== null) return (of.untilMs ?? of.liftedAtMs) + DAY_MS
  if (of.kind === 'kid') return null
  // When a token with a name expires is not known: it was issued by now, and lives no longer than any.
  const lastIssuedMs = of.kind === 'jti' ? of.madeAtMs : of.beforeMs
  if (lastIssuedMs === null) return null
  return Math.max(of.untilMs ?? 0, lastIssuedMs + maxLifetimeMs + clockSkewMs)
}

/** Reads one that another gate, or this one before, has written; null for what is none. */
export function readRevocation(of: unknown): Revocation | null {
  if (typeof of !== 'object' || of === null) return null
  const one = of as Record<string, unknown>
  const isTime = (value: unknown) => typeof value === 'number' && Number.isSafeInteger(value)
  const isText = (value: unknown) => typeof value === 'string' && value !== ''
  const isWhole =
    isText(one.id) &&
    REVOCATION_KINDS.includes(one.kind as RevocationKind) &&
    (isText(one.iss) || (one.iss === null && one.kind === 'team')) &&
    isText(one.value) &&
    (one.beforeMs === null || isTime(one.beforeMs)) &&
    isTime(one.madeAtMs) &&
    (one.untilMs === null || isTime(one.untilMs)) &&
    typeof one.cutStreams === 'boolean' &&
    (one.reason === null || typeof one.reason === 'string') &&
    (one.liftedAtMs === null || isTime(one.liftedAtMs))
  if (!isWhole) return null
  const { id, kind, iss, value, beforeMs, madeAtMs, untilMs, cutStreams, reason, liftedAtMs } = one
  return { id, kind, iss, value, beforeMs, madeAtMs, untilMs, cutStreams, reason, liftedAtMs } as unknown as Revocation
}
