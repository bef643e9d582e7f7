import type { IncomingMessage } from 'node:http'
import { type RawData, type WebSocket, WebSocketServer } from 'ws'
import type { Upgrade } from '../exchange.ts'
import type { Ms } from '../time.ts'
import type { Bytes } from '../units.ts'

/** Why a WebSocket ends (RFC 6455 section 7.4.1). */
export const CLOSE = {
  NORMAL: 1000,
  GOING_AWAY: 1001,
  UNSUPPORTED: 1003,
  NO_STATUS: 1005,
  ABNORMAL: 1006,
  POLICY: 1008,
  TOO_BIG: 1009,
  INTERNAL: 1011,
  RESTART: 1012
} as const

/** Turns the connection of a request that asked for it into a WebSocket: no compression, bounded messages. */
export function acceptSocket(init: {
  readonly request: IncomingMessage
  readonly upgrade: Upgrade
  readonly maxMessageBytes: Bytes
  /** Lines of the answer. */
  readonly headers: readonly string[]
  readonly onOpen: (socket: WebSocket) => void
}): void {
  const { request, upgrade, maxMessageBytes, headers, onOpen } = init
  const { socket, head } = upgrade
  // From here on the library reads it.
  for (const name of ['readable', 'end']) socket.removeAllListeners(name)
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: maxMessageBytes,
    // A token in a subprotocol would end up in the logs of whatever stands between.
    handleProtocols: offered => (offered.has('realtime') ? 'realtime' : false)
  })
  server.on('headers', lines => lines.push(...headers))
  server.handleUpgrade(request, socket, head, onOpen)
}

/** So long may goodbyes take: a peer that has gone without a word would be waited for. */
const GOODBYE_MS: Ms = 2_000

/** Says goodbye, and ends the connection when no answer comes. */
export function part(socket: WebSocket, code: number): void {
  socket.close(code)
  const late = setTimeout(() => socket.terminate(), GOODBYE_MS)
  socket.once('close', () => clearTimeout(late))
}

/** One side is not read while so much of what it said waits for the other. */
const HIGH_WATER_BYTES: Bytes = 256 * 1024

/** Messages come as one buffer each, because nobody has asked for another kind. */
export function bufferOf(data: RawData): Buffer {
  return Buffer.isBuffer(data) ? data : Buffer.concat(Array.isArray(data) ? data : [Buffer.from(data)])
}

/** Sends a message on, and reads no further from where it came while too much waits. */
export function pass(message: Buffer, isBinary: boolean, from: WebSocket, to: WebSocket): void {
  to.send(message, { binary: isBinary }, () => {
    if (from.isPaused && to.bufferedAmount < HIGH_WATER_BYTES / 2) from.resume()
  })
  if (to.bufferedAmount > HIGH_WATER_BYTES) from.pause()
}
