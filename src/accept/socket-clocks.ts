import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Ms } from '../time.ts'

/** What a connection has to do next: end its TLS handshake, send its first head, get an answer, send another head. */
export type SocketState = 'handshake' | 'head' | 'request' | 'idle'

/** One connection of a caller. */
export interface OpenSocket {
  /** The TCP connection, also of a TLS listener. */
  readonly raw: Socket
  /** The peer's address, also when it has gone. */
  readonly address: string
  readonly state: SocketState
  /** Responses that have begun, or wait for their turn, and have not ended. */
  readonly responses: ReadonlySet<ServerResponse>
}

/** How long each state may last. */
export interface SocketClocks {
  /** From the connection to the end of the TLS handshake. No byte restarts it. */
  readonly handshakeMs: Ms
  /** From then to the end of the first head. */
  readonly headMs: Ms
  /** From the end of an answer to the end of the next head. */
  readonly idleMs: Ms
  /** From the end of a head to the end of its body. */
  readonly bodyMs: Ms
  readonly checkEveryMs: Ms
}

/** Callbacks for connections that the gateway closes. */
export interface SocketEvents {
  /** A clock ran out. */
  onOverdue?(socket: OpenSocket): void
  /** The connection limit is reached: this one was rejected, or had no request and was closed for a new one. */
  onFull?(socket: OpenSocket): void
}
