import { randomBytes } from 'node:crypto'
import type { Ms } from '../time.ts'
import type { IssuerOptions } from './options.ts'
import { endOf, type Lifetimes, REVOCATION_KINDS, type Revocation, type RevocationKind } from './revocation.ts'

/** What an operator asked for cannot be done; the message is for the operator. */
export class RevocationRefused extends Error {
  override readonly name = 'RevocationRefused'
  readonly why: 'invalid' | 'full' | 'unknown' | 'from_file'

  constructor(why: RevocationRefused['why'], message: string) {
    super(message)
    this.why = why
  }
}

/** What a request is read with. */
export interface RequestContext {
  readonly issuers: readonly Pick<IssuerOptions, 'name' | 'issuer' | 'keys'>[]
  readonly lifetimes: Lifetimes
  readonly nowMs: Ms
  /** Unless the request says. */
  readonly cutStreams: boolean
}

const MEMBERS = [...REVOCATION_KINDS, 'issuer', 'issued_before', 'cut_streams', 'reason']
const NAME = /^[^\p{Cc}]{1,1024}$/u
const REASON = /^[^\p{Cc}]{1,200}$/u
const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?(?:Z|[+-]\d{2}:\d{2})$/

/**
 * Reads what an operator wants to be revoked: one of `jti`, `sub`, `team`, `kid`; `issuer` by its name or its `iss`;
 * `issued_before`, `cut_streams`, `reason`.
 * @throws RevocationRefused
 */
export function readRequest(of: unknown, context: RequestContext): Revocation {
  if (typeof of !== 'object' || of === null || Array.isArray(of)) throw invalid('a JSON object is needed')
  const one = of as Record<string, unknown>
  const odd = Object.keys(one).find(name => !MEMBERS.includes(name))
  if (odd !== undefined)
    throw invalid(`unknown member ${JSON.stringify(odd.slice(0, 40))}; known: ${MEMBERS.join(', ')}`)
  const kinds = REVOCATION_KINDS.filter(kind => one[kind] !== undefined)
  const [kind] = kinds
  if (kind === undefined || kinds.length > 1) throw invalid('exactly one of jti, sub, team, kid is needed')
  const value = one[kind]
  if (typeof value !== 'string' || !NAME.test(value)) throw invalid(`${kind} must be a text without control characters`)
  const { reason = null, cut_streams: cutStreams = context.cutStreams } = one
  if (reason !== null && (typeof reason !== 'string' || !REASON.test(reason))) {
    throw invalid('reason must be one line of at most 200 characters')
  }
  if (typeof cutStreams !== 'boolean') throw invalid('cut_streams must be true or false')
  const made: Revocation = {
    // Not base64url, whose texts may begin with '-', as an option of a command does.
    id: randomBytes(9).toString('hex'),
    kind,
    iss: issuerOf(one.issuer, kind, context.issuers),
    value,
    beforeMs: beforeOf(one.issued_before, kind, context.nowMs),
    madeAtMs: context.nowMs,
    untilMs: null,
    cutStreams,
    reason,
    liftedAtMs: null
  }
  const untilMs = endOf(made, context.lifetimes)
  if (untilMs !== null && untilMs <= context.nowMs) throw invalid('no token that was issued before can live any more')
  return { ...made, untilMs }
}

/** The exact `iss` of an issuer that is named. @throws RevocationRefused for one that is not configured */
function issuerOf(named: unknown, kind: RevocationKind, issuers: RequestContext['issuers']): string | null {
  if (named === undefined && kind === 'team') return null
  const names = issuers.map(({ name }) => name).join(', ')
  if (named === undefined && issuers.length > 1) throw invalid(`a ${kind} belongs to an issuer: name one of ${names}`)
  const found =
    named === undefined ? issuers[0] : issuers.find(({ name, issuer }) => name === named || issuer === named)
  if (found === undefined)
    throw invalid(`no issuer is called ${JSON.stringify(named)?.slice(0, 80)}; there is ${names}`)
  if (kind === 'kid' && found.keys.kind === 'hs256_secret') throw invalid(`the secret of ${found.name} has no name`)
  return found.issuer
}

function beforeOf(before: unknown, kind: RevocationKind, nowMs: Ms): Ms | null {
  const takesTime = kind === 'sub' || kind === 'team'
  if (before === undefined) return takesTime ? nowMs : null
  if (!takesTime) throw invalid(`issued_before is for sub and team: a ${kind} is revoked as a whole`)
  const ms = readTime(before)
  if (ms === null) throw invalid('issued_before must be a time such as 2026-01-31T12:00:00Z')
  if (ms > nowMs) throw invalid('issued_before lies in the future: tokens that are not issued yet cannot be revoked')
  return ms
}

/** Reads a time of RFC 3339; null for anything else. */
export function readTime(text: unknown): Ms | null {
  if (typeof text !== 'string' || !TIME.test(text)) return null
  const ms = Date.parse(text)
  return Number.isFinite(ms) ? ms : null
}

function invalid(message: string): RevocationRefused {
  return new RevocationRefused('invalid', message)
}
