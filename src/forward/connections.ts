import type { Socket } from 'node:net'
import { buildConnector, Client } from 'undici'
import type { Ms } from '../time.ts'
import { Bag, type Placed } from './bag.ts'
import type { TargetOptions } from './options.ts'
import { Rest } from './rest.ts'

/**
 * So long a connection rests after an answer: whatever comes after the answer's end is an answer to nobody, and ends the
 * connection while nobody has it. Several round trips within a data centre; a longer rest costs more connections, and the
 * gate more time for each call where there are thousands in a second.
 */
const REST_MS: Ms = 10

/** One connection to an engine, for one request at a time. */
export interface Connection extends Placed {
  readonly client: Client
  /** Null before it has connected. */
  socket: Socket | null
  isConnected: boolean
  /** True once its socket has carried a request. */
  isReused: boolean
  /** `x-request-id` of the last request that it carried to its end, or null. */
  lastId: string | null
  isDropped: boolean
  /** The connections to its target. */
  readonly home: Connections
}

/** Told how long a connection of a pool took to be made, TLS included. */
export type OnConnected = (pool: string, tookMs: Ms) => void

/** Where the connections to all targets rest together: one timer, however many targets there are. */
export function createResting(): Rest<Connection> {
  return new Rest<Connection>(REST_MS, connection => connection.home.rested(connection))
}

/**
 * The connections to one target: one per request in flight, without a limit of their own, and the idle ones kept for
 * the next request. Taking and giving back cost the same with ten streams as with ten thousand, which is why this is
 * not undici's Pool: that one looks through all of its clients for a free one.
 */
export class Connections {
  readonly target: TargetOptions
  readonly #connect: buildConnector.connector
  readonly #idle = new Bag<Connection>()
  readonly #resting: Rest<Connection>
  readonly #onConnected: OnConnected | undefined
  #size = 0
  #isClosed = false

  constructor(target: TargetOptions, resting: Rest<Connection> = createResting(), onConnected?: OnConnected) {
    this.target = target
    this.#resting = resting
    this.#onConnected = onConnected
    this.#connect = buildConnector({
      timeout: target.timeouts.connectMs,
      rejectUnauthorized: true,
      allowH2: false,
      ...tlsOf(target)
    })
  }

  /** Connections that exist, idle ones included. */
  get size(): number {
    return this.#size
  }

  /** Connections that may be taken at once: those that rest are none. */
  get idle(): number {
    return this.#idle.size
  }

  /** An idle connection, or a new one that will connect when it is used. */
  take(): Connection {
    for (let connection = this.#idle.pop(); connection !== undefined; connection = this.#idle.pop()) {
      // One that broke in this turn of the event loop says so at its end only.
      if (connection.socket?.destroyed === false) return connection
      this.drop(connection)
    }
    return this.open()
  }

  /** A new connection, whatever idle ones there are: where one had gone stale, others may have too. */
  open(): Connection {
    const client = new Client(this.target.origin, {
      connect: (options, done) => {
        const sinceMs = performance.now()
        this.#connect(options, (...result) => {
          connection.socket = result[1]
          if (result[0] === null) this.#onConnected?.(this.target.pool, performance.now() - sinceMs)
          done(...result)
        })
      },
      pipelining: 1,
      // Engines close after 5 s of silence: a second less, so that no request meets a connection that is being closed.
      keepAliveTimeout: 4_000,
      keepAliveMaxTimeout: 4_000,
      // A prefill may take minutes; the relay has clocks of its own.
      headersTimeout: 0,
      bodyTimeout: 0,
      maxHeaderSize: 32 * 1024
    })
    const connection: Connection = {
      client,
      socket: null,
      isConnected: false,
      isReused: false,
      lastId: null,
      isDropped: false,
      home: this,
      place: -1
    }
    client.on('connect', () => {
      connection.isConnected = true
      // The client connects by itself once more when a socket breaks before the request is on it.
      connection.isReused = false
      connection.lastId = null
    })
    client.on('disconnect', () => {
      connection.isConnected = false
      if (connection.place !== -1) this.drop(connection)
    })
    this.#size++
    return connection
  }

  /**
   * Gives a connection back after a request; it can be taken again when it has rested. One that is no longer connected is
   * dropped, and so is one whose request was answered before it was sent: an engine may take what is left of it for the next.
   *
   * @param id `x-request-id` of the request, or null when it had none
   */
  giveBack(connection: Connection, id: string | null = null): void {
    connection.isReused = true
    connection.lastId = id
    if (this.#isClosed || !connection.isConnected || isUnsent(connection)) this.drop(connection)
    else this.#resting.add(connection)
  }

  /** One of them may be taken again. */
  rested(connection: Connection): void {
    this.#idle.add(connection)
  }

  /** Ends a connection at once, with whatever is on it. */
  drop(connection: Connection): void {
    this.#idle.remove(connection)
    this.#resting.remove(connection)
    if (connection.isDropped) return
    connection.isDropped = true
    this.#size--
    connection.client.destroy().catch(() => {})
  }

  /** Ends the idle connections; those in use end when they are given back. */
  close(): void {
    this.#isClosed = true
    const resting = this.#resting.all().filter(({ home }) => home === this)
    for (const connection of [...this.#idle.all(), ...resting]) this.drop(connection)
  }
}

/** Whether some of the request that it carries has not left the process. */
export function isUnsent({ socket }: Connection): boolean {
  return socket !== null && socket.writableLength > 0
}

/** What a connection to a target trusts, and what it shows of itself. Certificates are always verified. */
export function tlsOf({ ca, cert, key }: Pick<TargetOptions, 'ca' | 'cert' | 'key'>) {
  return { ...(ca === null ? {} : { ca }), ...(cert === null || key === null ? {} : { cert, key }) }
}
