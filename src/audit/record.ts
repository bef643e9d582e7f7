import type { GateError } from '../errors.ts'
import type { Call, Exchange } from '../exchange.ts'

/** One line of the audit log: flat, with the names of the Elastic Common Schema where it has one. */
export type AuditRecord = Readonly<Record<string, string | number | boolean | null>>

/**
 * Writes down one exchange: who asked for what, what was decided, how it ended.
 *
 * Built from named fields alone, so that a token, a body, a query string or a header cannot slip in.
 * Texts that a caller chose are cut to a bounded length.
 */
export function auditRecord(exchange: Exchange): AuditRecord {
  const { client, identity, call, target } = exchange.known
  const { issue } = exchange
  const endedAtMs = exchange.endedAtMs ?? exchange.startedAtMs
  const failure = exchange.failure
  const usage = exchange.isUsageOff ? null : exchange.usage
  return {
    '@timestamp': new Date(endedAtMs).toISOString(),
    'event.dataset': 'tollgate.audit',
    'event.action': issue === null ? actionOf(call) : issue.jti === null ? 'token.failure' : 'token.issue',
    'event.outcome': failure === null && exchange.ending === 'answered' ? 'success' : 'failure',
    'event.reason': reasonOf(failure),
    'event.duration': (endedAtMs - exchange.startedAtMs) * 1_000_000,
    'http.request.id': exchange.id,
    'http.request.method': exchange.method,
    'url.path': cut(exchange.path, 512),
    'http.response.status_code': exchange.status,
    'http.request.body.bytes': exchange.bytesIn,
    'http.response.body.bytes': exchange.bytesOut,
    'client.ip': client?.ip ?? null,
    'source.ip': client?.peerIp ?? null,
    'user.id': identity?.sub ?? issue?.sub ?? null,
    'organization.id': identity?.team ?? issue?.team ?? null,
    'tollgate.token.iss': identity?.iss ?? issue?.iss ?? null,
    'tollgate.token.iat': identity?.iatSec ?? issue?.iatSec ?? null,
    'tollgate.token.exp': identity?.expSec ?? issue?.expSec ?? null,
    'tollgate.token.jti': identity?.jti ?? issue?.jti ?? null,
    'tollgate.token.kid': identity?.kid ?? issue?.kid ?? null,
    'tollgate.token.fp': identity?.fingerprint ?? null,
    'tollgate.token.grant': issue?.grant ?? null,
    'tollgate.token.client': issue?.clientId ?? null,
    'gen_ai.operation.name': call?.operation ?? null,
    'gen_ai.request.model': call?.model == null ? null : cut(call.model, 256),
    'gen_ai.usage.input_tokens': usage?.inputTokens ?? null,
    'gen_ai.usage.output_tokens': usage?.outputTokens ?? null,
    'tollgate.usage.source': usage?.source ?? null,
    'tollgate.removed': exchange.removed.length === 0 ? null : cut(exchange.removed.join(','), 512),
    'tollgate.limit': typeof failure?.detail.policy === 'string' ? failure.detail.policy : null,
    'tollgate.limit.shadow': exchange.shadowed.length === 0 ? null : exchange.shadowed.join(','),
    'tollgate.stream': call?.isStream ?? null,
    'tollgate.pool': target?.pool ?? null,
    'tollgate.target': target?.origin ?? null,
    'tollgate.attempts': exchange.attempts === 0 ? null : exchange.attempts,
    'tollgate.first_byte_ms': exchange.firstByteAtMs === null ? null : exchange.firstByteAtMs - exchange.startedAtMs,
    'tollgate.outcome': exchange.ending,
    'tollgate.code': failure?.code ?? null
  }
}

function actionOf(call: Call | undefined): string {
  if (call === undefined) return 'request'
  if (call.operation === 'models') return 'models.list'
  if (call.operation === 'usage' || call.operation === 'limits') return `${call.operation}.read`
  return 'inference.request'
}

/** What the caller was not told: `expired`, `an administration route of vllm`; else the code. */
function reasonOf(failure: GateError | null): string | null {
  if (failure === null) return null
  const { reason } = failure.detail
  return typeof reason === 'string' ? reason : failure.code
}

function cut(text: string, max: number): string {
  return text.length <= max ? text : `${text.slice(0, max)}…`
}
