import { type ClientRequest, Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http'
import { Agent as HttpsAgent, request as requestHttps } from 'node:https'
import { ByteCollector } from '../byte-collector.ts'
import type { Ms } from '../time.ts'
import type { Bytes } from '../units.ts'

/** One engine, and how it may be asked. */
export interface AskInit {
  /** `scheme://host:port`. */
  readonly origin: string
  /** PEM text of the authority that signs its certificate, or null for the system's. */
  readonly ca: string | null
  /** PEM texts of what the gate shows where an engine asks for it, or null. */
  readonly cert: string | null
  readonly key: string | null
  readonly apiKey: string | null
  /** From the first packet to the last byte of the answer. */
  readonly timeoutMs: Ms
}

/** One question. */
export interface Question {
  readonly method: 'GET' | typeof SAFE_METHOD
  readonly path: string
  /** Whether the engine's key goes with it, where there is one. */
  readonly withKey: boolean
  /** How much of the answer is read; none unless given. */
  readonly maxBytes?: Bytes
}

/**
 * What an engine said, or why it said nothing.
 *
 * `tls`: no trusted connection, so nothing was sent. `garbage`: bytes that are no HTTP.
 */
export type Reply =
  | { readonly ok: true; readonly status: number; readonly body: Buffer; readonly isCut: boolean }
  | { readonly ok: false; readonly why: 'unreachable' | 'late' | 'tls' | 'garbage'; readonly cause: string }

/** Puts questions to one engine. Never rejects. */
export type Ask = (question: Question) => Promise<Reply>

/**
 * A method that no route of an engine has and that changes nothing where one has it: safe by definition
 * (RFC 4918 section 9.1, RFC 9110 section 9.2.1). FastAPI answers 405 before any code of the route runs. Not a method
 * of our own: httptools, which parses for uvicorn, knows its methods by name and answers 400 to others. Not OPTIONS,
 * which no engine's key stops; not HEAD, which runs the handler of a Starlette route.
 */
export const SAFE_METHOD = 'PROPFIND'

const TLS = /^(ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|HOSTNAME_MISMATCH|EPROTO)/

/**
 * Asks over a new connection each time, verifies certificates whatever the environment says, and never follows a
 * redirect. A key is written only after the handshake, so one that fails never sees it.
 */
export function createAsk({ origin, ca, cert, key, apiKey, timeoutMs }: AskInit): Ask {
  const isTls = origin.startsWith('https:')
  const own = cert === null || key === null ? {} : { cert, key }
  const tls = { rejectUnauthorized: true, ...own, ...(ca === null ? {} : { ca }) }
  // Agents of our own: the global ones may be told by the environment to go through a proxy.
  const agent = isTls ? new HttpsAgent({ keepAlive: false }) : new HttpAgent({ keepAlive: false })
  const open = isTls ? requestHttps : requestHttp

  return ({ method, path, withKey, maxBytes = 0 }) =>
    new Promise(resolve => {
      let request: ClientRequest
      const settle = (reply: Reply) => {
        clearTimeout(clock)
        resolve(reply)
        request.destroy()
      }
      const clock = setTimeout(() => settle({ ok: false, why: 'late', cause: `${timeoutMs} ms` }), timeoutMs)
      request = open(origin, {
        method,
        path,
        agent,
        ...(isTls ? tls : {}),
        maxHeaderSize: 32 * 1024,
        headers: {
          accept: 'application/json',
          'user-agent': 'tollgate-probe',
          ...(withKey && apiKey !== null ? { authorization: `Bearer ${apiKey}` } : {})
        }
      })
      request.on('error', err => settle(failureFrom(err)))
      request.once('response', response => read(response, maxBytes, settle))
      request.end()
    })
}

function read(response: IncomingMessage, maxBytes: Bytes, settle: (reply: Reply) => void): void {
  const status = response.statusCode ?? 0
  const body = new ByteCollector()
  let isTooLong = false
  const finish = (isCut: boolean) => settle({ ok: true, status, body: body.take(), isCut })
  if (maxBytes === 0) {
    finish(true)
    return
  }
  response.on('data', (piece: Buffer) => {
    if (isTooLong || body.length + piece.length > maxBytes) {
      isTooLong = true
      finish(true)
    } else body.add(piece)
  })
  response.once('end', () => finish(false))
  response.on('error', err => settle(failureFrom(err)))
}

function failureFrom(err: Error): Reply {
  const code = codeOf(err)
  const why = TLS.test(code) ? 'tls' : code.startsWith('HPE_') ? 'garbage' : 'unreachable'
  return { ok: false, why, cause: code }
}

function codeOf(err: unknown): string {
  // Happy Eyeballs gathers one error per address; the first tells as much as all.
  if (err instanceof AggregateError && err.errors.length > 0) return codeOf(err.errors[0])
  if (err instanceof Error && 'code' in err && typeof err.code === 'string') return err.code
  return err instanceof Error ? err.message : String(err)
}
