import type { Logger } from 'pino'
import type { RevocationDesk } from './admin/revocations.ts'
import type { AuditRecord } from './audit/record.ts'
import { revokedRecord } from './audit/revoked.ts'
import type { IssuerOptions } from './authenticate/options.ts'
import type { Revocation } from './authenticate/revocation.ts'
import { ValkeyRevocations } from './authenticate/revocation-store.ts'
import { type Done, Revocations } from './authenticate/revocations.ts'
import type { Config } from './config/load.ts'
import { loadRevocations } from './config/revocations.ts'
import { GateError } from './errors.ts'
import type { Exchange } from './exchange.ts'
import type { Transport } from './forward/transport.ts'
import type { StoreConnection } from './store/valkey.ts'
import type { NowMs } from './time.ts'

/** Why a call of somebody who was revoked must not go on, or null. */
export type RevokedError = (exchange: Exchange) => GateError | null

/** Opens the revocations of a gate. @throws RevocationFileError */
export function openRevocations(
  { revocation, issuers }: { readonly revocation: Config['revocation']; readonly issuers: readonly IssuerOptions[] },
  init: {
    readonly nowMs: NowMs
    readonly log: Logger
    readonly connection: StoreConnection | null
    readonly transport: Pick<Transport, 'cut'>
    /** Of the audit log. */
    readonly write: (record: AuditRecord) => void
  }
): Revocations {
  const { connection, transport, log, nowMs, write } = init
  const revocations: Revocations = new Revocations(revocation, issuers, {
    nowMs,
    log,
    read: loadRevocations,
    shared: connection === null ? null : new ValkeyRevocations(connection),
    onCut() {
      const count = transport.cut(errorOf(who => revocations.cutBy(who)))
      if (count > 0) log.warn({ calls: count }, 'running calls of revoked callers were ended')
    },
    onFile(made, lifted) {
      const by = { address: null, by: 'revocation.file' }
      for (const one of made) write(revokedRecord('token.revoke', { ...one, id: null }, by, nowMs()))
      for (const one of lifted) write(revokedRecord('token.revoke.lift', { ...one, id: null }, by, nowMs()))
    }
  })
  return revocations
}

/** Asks of a call whether its caller was revoked. */
export function errorOf(find: (who: Exchange['identity']) => string | null): RevokedError {
  return exchange => {
    const { identity } = exchange.known
    const revocation = identity === undefined ? null : find(identity)
    if (revocation === null) return null
    return new GateError('TOLLGATE_AUTHENTICATE_REVOKED', { reason: 'revoked', revocation })
  }
}

/** What operators ask for, written down. */
export function revocationDesk(
  revocations: Revocations,
  { nowMs, write }: { readonly nowMs: NowMs; readonly write: (record: AuditRecord) => void }
): RevocationDesk {
  return {
    list: () => ({ ...revocations.status, revocations: revocations.list().map(shown) }),
    async add(request, who) {
      const done = await revocations.add(request)
      if (done.isNew) write(revokedRecord('token.revoke', done.revocation, who, nowMs()))
      return told(done)
    },
    async lift(id, who) {
      const done = await revocations.lift(id)
      write(revokedRecord('token.revoke.lift', done.revocation, who, nowMs()))
      return told(done)
    }
  }
}

function told({ revocation, isNew, notes }: Done) {
  return { isNew, notes, revocation: shown(revocation) }
}

function shown({ id, kind, iss, value, beforeMs, madeAtMs, untilMs, cutStreams, reason }: Revocation) {
  const time = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString())
  return {
    id,
    [kind]: value,
    issuer: iss,
    issued_before: time(beforeMs),
    made_at: time(madeAtMs),
    until: time(untilMs),
    cut_streams: cutStreams,
    reason
  }
}
