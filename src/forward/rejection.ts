import type { IncomingHttpHeaders } from 'node:http'
import type { ByteCollector } from '../byte-collector.ts'
import { CODES } from '../codes.ts'
import { type EngineSaid, GateError } from '../errors.ts'
import type { FailurePoint } from './failures.ts'

/** So much of an engine's error is read; what is longer is not passed on. */
export const MAX_ERROR_BYTES = 64 * 1024
const MAX_MESSAGE_CHARS = 1_000
const MAX_RETRY_AFTER_SEC = 60
/** With these words ms-swift and SGLang name every model and adapter that they have, those of other teams too. */
const LISTS_MODELS = /\bnot in the model_list\b|\bloaded adapters\b/i
const NO_SUCH_MODEL: EngineSaid = { ...CODES.TOLLGATE_ROUTE_MODEL, param: 'model' }

/**
 * Answers that cannot be passed on: redirects, encoded ones, and those with neither length nor chunks, whose end looks
 * the same wherever they are cut.
 * @returns null when it is none of them
 */
export function unfitFrom(status: number, headers: IncomingHttpHeaders, at: FailurePoint): GateError | null {
  const detail = { ...at, status }
  if ((status >= 300 && status < 400) || status > 599) return new GateError('TOLLGATE_FORWARD_ANSWER', detail)
  const encoding = headers['content-encoding']
  if (encoding !== undefined && encoding !== 'identity') {
    return new GateError('TOLLGATE_FORWARD_ANSWER', { ...detail, encoding: String(encoding).slice(0, 64) })
  }
  const isFramed = headers['content-length'] !== undefined || headers['transfer-encoding'] === 'chunked'
  if (isFramed || status === 204 || status >= 400) return null
  return new GateError('TOLLGATE_FORWARD_ANSWER', { ...detail, framing: 'none' })
}

/** An answer of 400 and above, while it is read. */
export interface Rejection {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: ByteCollector
}

/**
 * What an engine's answer of 400 and above means.
 *
 * Its own sentence is kept where it is about the request (below 500), in the words that every client library reads,
 * whatever shape the engine gave it (engines.md section 4); addresses and paths of its machine are taken out.
 * Above, nothing of it is passed on.
 *
 * @param body up to `MAX_ERROR_BYTES` of the answer; empty when it was longer
 */
export function rejectionFrom(
  status: number,
  headers: IncomingHttpHeaders,
  body: string,
  at: FailurePoint & { readonly engine: string }
): GateError {
  const detail = { ...at, status }
  const said = readSaid(body)
  // ms-swift says so with a 400, whatever was wrong with the key.
  const isKey = status === 401 || status === 403 || (at.engine === 'swift' && said.message === 'API key error')
  if (isKey) return new GateError('TOLLGATE_FORWARD_KEY', detail)
  if (status === 429) return new GateError('TOLLGATE_FORWARD_BUSY', detail, { retryAfterSec: retryAfterOf(headers) })
  if (status === 503) {
    return new GateError('TOLLGATE_FORWARD_OVERLOADED', detail, { retryAfterSec: retryAfterOf(headers) })
  }
  if (status >= 500 || status === 408 || status === 499) return new GateError('TOLLGATE_FORWARD_FAILED', detail)
  if (said.message !== null && LISTS_MODELS.test(said.message)) {
    return new GateError('TOLLGATE_FORWARD_REJECTED', detail, { said: NO_SUCH_MODEL })
  }
  // Client libraries try a 409 again, and it would be refused again.
  return new GateError('TOLLGATE_FORWARD_REJECTED', detail, {
    said: { ...said, status: status === 409 ? 400 : status }
  })
}

/** `Retry-After` in seconds, a minute at most; undefined when there is none that can be read. */
export function retryAfterOf(headers: IncomingHttpHeaders): number | undefined {
  const value = headers['retry-after']
  if (value === undefined || !/^\d{1,4}$/.test(value)) return undefined
  return Math.min(Number(value), MAX_RETRY_AFTER_SEC)
}

/**
 * Reads the shapes of all engines: `{"error":{…}}`, `{"error":"…"}`, the flat `{"message":…}` of SGLang, LMDeploy and
 * ms-swift, FastAPI's `{"detail":…}`, and Anthropic's.
 */
function readSaid(body: string): Omit<EngineSaid, 'status'> {
  const nothing = { message: null, type: null, param: null, code: null }
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch {
    return nothing
  }
  if (!isRecord(value)) return nothing
  const { error, detail } = value
  if (typeof error === 'string') return { ...nothing, message: cleaned(error) }
  const inner = isRecord(error) ? error : value
  const message = textOf(inner.message) ?? textOf(detail) ?? firstOf(detail)
  return {
    message: message === null ? null : cleaned(message),
    type: wordOf(inner.type),
    param: typeof inner.param === 'string' && /^[\w.[\]-]{1,64}$/.test(inner.param) ? inner.param : null,
    code: wordOf(inner.code)
  }
}

/** FastAPI's list of what is wrong with a body: `[{"loc":["body","messages"],"msg":"Field required"}]`. */
function firstOf(detail: unknown): string | null {
  const first: unknown = Array.isArray(detail) ? detail[0] : null
  if (!isRecord(first) || typeof first.msg !== 'string') return null
  const place = Array.isArray(first.loc) ? first.loc.slice(1).join('.') : ''
  return place === '' ? first.msg : `${place}: ${first.msg}`
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null
}

function wordOf(value: unknown): string | null {
  return typeof value === 'string' && /^[a-z][a-z_]{1,63}$/.test(value) ? value : null
}

/** URLs, IPv4 and IPv6 addresses, and names of hosts where they stand as such. */
const ADDRESS =
  /\b[a-z][a-z0-9+.-]*:\/\/[^\s'"]+|\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b|\[[0-9a-f:]*:[0-9a-f:.]*\](?::\d+)?|\bhost [\w.-]+(?::\d+)?|\b[\w-]+(?:\.[\w-]+)+:\d{2,5}\b/gi
/** Where in its own source an engine was: `File "…", line 1, in f`. */
const SOURCE = /\bFile "[^"]*", line \d+(?:, in \S+)?/g
/** Paths of a disk: from the root on, two segments or more; those of the API may be named. */
const FILE = /(?<![\w/.<])~?\/(?!v[12]\/)(?:[\w@%+.~-]+\/)+[\w@%+.~-]*/g
const MEMORY = /\b0x[0-9a-f]{6,16}\b/gi

/** One line, without what it tells of the engine's machine. */
function cleaned(message: string): string {
  // Enough for a sentence; longer texts would cost more than they are worth.
  let line = message.slice(0, 2 * MAX_MESSAGE_CHARS).replace(/\s+/g, ' ')
  for (const secret of [SOURCE, ADDRESS, FILE, MEMORY]) line = line.replace(secret, '…')
  line = line.trim()
  return line.length <= MAX_MESSAGE_CHARS ? line : `${line.slice(0, MAX_MESSAGE_CHARS)}…`
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
