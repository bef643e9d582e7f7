import type { IncomingMessage } from 'node:http'
import type { Test } from 'tap'
import { type ClientOptions, WebSocket } from 'ws'

/** A caller of `/v1/realtime`. */
export interface RealtimeCaller {
  readonly socket: WebSocket
  /** The answer to the handshake, when it was no WebSocket. */
  readonly refusal: { readonly response: IncomingMessage; readonly body: string } | null
  say(event: unknown): void
  /** The next event, in order. */
  // biome-ignore lint/suspicious/noExplicitAny: every look into it is an assertion of its own
  next(): Promise<any>
  /** Resolves with the close code. */
  readonly closed: Promise<number>
}

/** Asks for a WebSocket; resolves when it is open or refused. It ends with the test. */
export async function callRealtime(t: Test, url: string, token: string | null, options: ClientOptions = {}) {
  const { headers, ...more } = options
  const socket = new WebSocket(url.replace(/^http/, 'ws'), {
    headers: { ...(token === null ? {} : { authorization: `Bearer ${token}` }), ...headers },
    ...more
  })
  t.teardown(() => socket.terminate())
  const events: unknown[] = []
  let wake = () => {}
  socket.on('message', data => {
    events.push(JSON.parse(String(data)))
    wake()
  })
  const closed = new Promise<number>(resolve => socket.once('close', code => resolve(code)))
  const refusal = await new Promise<RealtimeCaller['refusal']>((resolve, reject) => {
    socket.once('open', () => resolve(null))
    socket.on('error', reject)
    socket.once('unexpected-response', (_request, response) => {
      let body = ''
      response.on('data', piece => {
        body += String(piece)
      })
      response.once('end', () => resolve({ response, body }))
    })
  })
  const caller: RealtimeCaller = {
    socket,
    refusal,
    closed,
    say: event => socket.send(typeof event === 'string' || Buffer.isBuffer(event) ? event : JSON.stringify(event)),
    async next() {
      while (events.length === 0) {
        await new Promise<void>(resolve => {
          wake = resolve
        })
      }
      return events.shift()
    }
  }
  return caller
}
