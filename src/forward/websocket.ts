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
  RESTART: 1012,
  TRY_LATER: 1013
} as const

/** A message in more frames is refused: each takes memory of its own. Browsers make frames of 32 KiB and more. */
const MAX_FRAGMENTS = 4_096
/** Likewise of pieces as they are read from the socket. */
const MAX_PIECES = 32_768

/** Turns the connection of a request that asked for it into a WebSocket: no compression, bounded messages. */
export function acceptSocket(init: {
  readonly request: IncomingMessage
  readonly upgrade: Upgrade
  readonly maxMessageBytes: Bytes
  /** Lines of the answer. */
  readonly headers: readonly string[]
  readonly onOpen: (socket: WebSocket) => void
  /** Called with everything that is read, before a message of it is. */
  readonly onBytes?: (piece: Buffer) => void
}): void {
  const { request, upgrade, maxMessageBytes, headers, onOpen, onBytes } = init
  const { socket, head } = upgrade
  // From here on the library reads it.
  for (const name of ['readable', 'end']) socket.removeAllListeners(name)
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: maxMessageBytes,
    maxFragments: MAX_FRAGMENTS,
    maxBufferedChunks: MAX_PIECES,
    // Answered by the session, which does not let answers pile up.
    autoPong: false,
    // A token in a subprotocol would end up in the logs of whatever stands between.
    handleProtocols: offered => (offered.has('realtime') ? 'realtime' : false)
  })
  server.on('headers', lines => lines.push(...headers))
  server.handleUpgrade(request, socket, head, caller => {
    // The library listens already; nothing has been read since.
    if (onBytes !== undefined) socket.prependListener('data', onBytes)
    onOpen(caller)
  })
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

/**
 * Sends a message on, and reads no further from where it came while too much waits.
 * @param onSent called when it has left
 */
export function pass(
  message: Buffer | string,
  isBinary: boolean,
  from: WebSocket,
  to: WebSocket,
  onSent?: () => void
): void {
  to.send(message, { binary: isBinary }, () => {
    if (from.isPaused && to.bufferedAmount < HIGH_WATER_BYTES / 2) from.resume()
    onSent?.()
  })
  if (to.bufferedAmount > HIGH_WATER_BYTES) from.pause()
}

/** Answers a ping, unless its sender does not read: then one answer for several pings is enough (RFC 6455 section 5.5.3). */
export function answerPing(socket: WebSocket, data: Buffer): void {
  if (socket.bufferedAmount < HIGH_WATER_BYTES) socket.pong(data)
}
