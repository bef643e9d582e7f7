import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocket } from 'ws'
import { ByteCollector } from '../byte-collector.ts'
import { GateError } from '../errors.ts'
import type { Bytes } from '../units.ts'
import type { Connections } from './connections.ts'
import { type FailurePoint, failureFrom } from './failures.ts'
import { MAX_ERROR_BYTES, rejectionFrom } from './rejection.ts'

/** A WebSocket that is to be opened to an engine. */
export interface DialInit {
  readonly connections: Pick<Connections, 'target' | 'connect'>
  readonly engine: string
  /** A constant path, and a query of ours. */
  readonly path: string
  /** Name, value, name, value … */
  readonly headers: readonly string[]
  readonly maxMessageBytes: Bytes
  readonly onOpen: () => void
  /** Told once when it could not be opened. Not after `onOpen`. */
  readonly onRefused: (error: GateError) => void
}

/** Opens a WebSocket to an engine: certificates verified, no redirect, no compression, bounded messages. */
export function dial(init: DialInit): WebSocket {
  const { connections, path, headers, maxMessageBytes } = init
  const { target } = connections
  const socket = new WebSocket(`${target.origin.replace(/^http/, 'ws')}${path}`, {
    headers: Object.fromEntries(headers.flatMap((name, i) => (i % 2 === 0 ? [[name, headers[i + 1] ?? '']] : []))),
    createConnection: (_options: unknown, done: (error: Error | null, stream: Duplex) => void) => {
      connections.connect((error, stream) => {
        if (stream === null) {
          done(error, undefined as never)
          return
        }
        if (isSettled) {
          stream.destroy()
          return
        }
        late = setTimeout(tooLate, target.timeouts.connectMs)
        done(null, stream)
      })
      // It comes when there is one.
      return undefined as never
    },
    followRedirects: false,
    perMessageDeflate: false,
    maxPayload: maxMessageBytes
  })
  const at: FailurePoint = { pool: target.pool, origin: target.origin, wasSent: false }
  let isSettled = false
  let late: NodeJS.Timeout | undefined
  const refuse = (error: GateError) => {
    if (isSettled) return
    isSettled = true
    clearTimeout(late)
    init.onRefused(error)
  }
  // A handshake costs an engine nothing: once connected, it takes as long as connecting may. By a clock of ours, because
  // the library's tells it by its words alone.
  const tooLate = () => {
    refuse(failureFrom({ code: 'ETIMEDOUT' }, at))
    socket.terminate()
  }
  socket.once('open', () => {
    isSettled = true
    clearTimeout(late)
    init.onOpen()
  })
  socket.on('error', cause => refuse(failureFrom(cause, at)))
  socket.once('unexpected-response', (_request, response) => {
    readShort(response).then(
      body => {
        socket.terminate()
        const { statusCode: status = 0, headers } = response
        refuse(
          status < 400
            ? new GateError('TOLLGATE_FORWARD_ANSWER', { ...at, status })
            : rejectionFrom(status, headers, body, { ...at, engine: init.engine })
        )
      },
      (cause: unknown) => refuse(failureFrom(cause, { ...at, wasSent: true }))
    )
  })
  return socket
}

async function readShort(response: IncomingMessage): Promise<string> {
  const text = new ByteCollector()
  for await (const piece of response as AsyncIterable<Buffer>) {
    if (text.length + piece.length > MAX_ERROR_BYTES) return ''
    text.add(piece)
  }
  return text.take().toString('utf8')
}
