import { Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http'
import { Agent as HttpsAgent, request as requestHttps } from 'node:https'
import { ByteCollector } from '../byte-collector.ts'
import type { Ms } from '../time.ts'
import type { Bytes } from '../units.ts'

/** Whom to ask, and how. */
export interface HttpInit {
  readonly url: string
  readonly token: string | null
  readonly ca: string | null
  readonly timeoutMs: Ms
  /** A longer answer is cut there. */
  readonly maxBytes: Bytes
}

/** A whole answer, whatever its status. */
export interface HttpReply {
  readonly status: number
  readonly retryAfter: string | null
  readonly body: string
  readonly isCut: boolean
}

/**
 * Asks over connections that are kept. Verifies certificates whatever the environment says, follows no redirect, goes through
 * no proxy; the token is written only after the handshake.
 */
export function createHttp({ url, token, ca, timeoutMs, maxBytes }: HttpInit) {
  const isTls = url.startsWith('https:')
  const kept = { keepAlive: true, maxSockets: 1 }
  // Agents of our own: the global ones may be told by the environment to go through a proxy.
  const agent = isTls ? new HttpsAgent(kept) : new HttpAgent(kept)
  const tls = isTls ? { rejectUnauthorized: true, ...(ca === null ? {} : { ca }) } : {}
  const open = isTls ? requestHttps : requestHttp
  return {
    /** @throws an error whose message says what went wrong, with no secret in it */
    async ask(init: { body: Buffer; type: string } | { path: string }): Promise<HttpReply> {
      const body = 'body' in init ? init.body : null
      const late = new AbortController()
      const clock = setTimeout(() => late.abort(), timeoutMs)
      try {
        return await new Promise<HttpReply>((resolve, reject) => {
          const request = open('path' in init ? new URL(init.path, url) : url, {
            method: body === null ? 'GET' : 'POST',
            agent,
            ...tls,
            signal: late.signal,
            maxHeaderSize: 32 * 1024,
            headers: {
              accept: 'application/json',
              'user-agent': 'tollgate-usage',
              ...(body === null || !('type' in init)
                ? {}
                : { 'content-type': init.type, 'content-length': body.length }),
              ...(token === null ? {} : { authorization: `Bearer ${token}` })
            }
          })
          request.on('error', reject)
          request.once('response', response => read(response, maxBytes).then(resolve, reject))
          request.end(body ?? undefined)
        })
      } catch (err) {
        throw new Error(late.signal.aborted ? `no whole answer within ${timeoutMs} ms` : reasonOf(err), { cause: err })
      } finally {
        clearTimeout(clock)
      }
    },
    close(): void {
      agent.destroy()
    }
  }
}

async function read(response: IncomingMessage, maxBytes: Bytes): Promise<HttpReply> {
  const text = new ByteCollector()
  let isCut = false
  for await (const piece of response as AsyncIterable<Buffer>) {
    if (text.length + piece.length > maxBytes) {
      // Leaving the loop ends the connection.
      isCut = true
      break
    }
    text.add(piece)
  }
  const retryAfter = response.headers['retry-after'] ?? null
  return { status: response.statusCode ?? 0, retryAfter, body: text.take().toString('utf8'), isCut }
}

/** The code of what went wrong with a connection. */
export function reasonOf(err: unknown): string {
  // Happy Eyeballs gathers one error per address; the first tells as much as all.
  if (err instanceof AggregateError && err.errors.length > 0) return reasonOf(err.errors[0])
  if (err instanceof Error && 'code' in err && typeof err.code === 'string') return err.code
  return err instanceof Error ? err.message : String(err)
}
