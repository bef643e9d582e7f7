import type { Socket } from 'node:net'
import { Client } from 'undici'
import { type ResolvedName, withoutService } from '../resolve/names.ts'
import type { Ms } from '../time.ts'
import type { Placed } from './bag.ts'
import { Connector, type ConnectorInit } from './connector.ts'
import type { TargetOptions } from './options.ts'
import { Rest } from './rest.ts'
import type { AddressSlot } from './rotation.ts'

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
  /** The address that it is connected to; before that the one that is tried first, or null while none is known. */
  slot: AddressSlot<Connection> | null
  /** When it has lived long enough, by the monotonic clock. */
  expiresAtMs: Ms
  /** The connections to its target. */
  readonly home: Connections
}

/** Where the connections to all targets rest together: one timer, however many targets there are. */
export function createResting(): Rest<Connection> {
  return new Rest<Connection>(REST_MS, connection => connection.home.rested(connection))
}

/**
 * The connections to one target: one per request in flight, without a limit of their own, and the idle ones kept for
 * the next request. Taking and giving back cost the same with ten streams as with ten thousand, which is why this is
 * not undici's Pool: that one looks through all of its clients for a free one.
 *
 * They follow the target's name: its addresses take turns, and what is connected to an address that it no longer has ends
 * with its request. So does what is older than `timeouts.maxConnectionMs`.
 */
export class Connections {
  readonly target: TargetOptions
  /** What `Host` says. */
  readonly #url: string
  readonly #connector: Connector<Connection>
  readonly #resting: Rest<Connection>
  #size = 0
  #isClosed = false

  constructor(target: TargetOptions, resting: Rest<Connection> = createResting(), init: ConnectorInit = {}) {
    this.target = target
    const url = new URL(target.origin)
    url.hostname = withoutService(url.hostname)
    this.#url = url.origin
    this.#resting = resting
    // What is idle at an address that the name does not lead to any more ends, what is in use ends with its request.
    this.#connector = new Connector<Connection>(target, init, ({ idle }) => {
      for (const connection of idle.all()) this.drop(connection)
    })
  }

  /** Where the target's name leads. */
  get name(): ResolvedName {
    return this.#connector.name
  }

  /** Connections that exist, idle ones included. */
  get size(): number {
    return this.#size
  }

  /** Connections that may be taken at once: those that rest are none. */
  get idle(): number {
    return this.#connector.rotation.slots.reduce((sum, { idle }) => sum + idle.size, 0)
  }

  /** Whether it is known where the target's name leads. While it is not, nothing is known of the engine either. */
  get isResolved(): boolean {
    return this.name.addresses !== null
  }

  /** Resolves when an address is known. @throws (rejects with) DnsError within the resolver's own timeout */
  async ready(): Promise<void> {
    await this.name.ready()
  }

  /** An idle connection, or a new one that will connect when it is used. */
  take(): Connection {
    const slot = this.#connector.rotation.next()
    if (slot === null) return this.#open(null)
    for (let connection = slot.idle.pop(); connection !== undefined; connection = slot.idle.pop()) {
      // One that broke in this turn of the event loop says so at its end only.
      if (connection.socket?.destroyed === false) return connection
      this.drop(connection)
    }
    return this.#open(slot)
  }

  /** A new connection, whatever idle ones there are: where one had gone stale, others may have too. */
  open(): Connection {
    return this.#open(this.#connector.rotation.next())
  }

  /** Opens a socket to the target for something that is no request of HTTP. @param onSocket called once */
  connect(onSocket: (error: Error | null, socket: Socket | null) => void): void {
    this.#connector.connect(null, (error, socket) => onSocket(error, socket))
  }

  #open(slot: AddressSlot<Connection> | null): Connection {
    const client = new Client(this.#url, {
      connect: (_options, done) => {
        this.#connector.connect(connection.slot, (error, socket, used) => {
          connection.socket = socket
          connection.slot = used
          connection.expiresAtMs = performance.now() + this.#maxAgeMs()
          if (socket === null) done(error ?? new Error('no socket'), null)
          else done(null, socket)
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
      slot,
      expiresAtMs: Number.POSITIVE_INFINITY,
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

  /** Up to a tenth less, so that connections that were made together do not all end together. */
  #maxAgeMs(): Ms {
    return this.target.timeouts.maxConnectionMs * (1 - 0.1 * Math.random())
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
    const { isConnected, expiresAtMs } = connection
    if (this.#isClosed || !isConnected || isUnsent(connection) || performance.now() > expiresAtMs) this.drop(connection)
    else this.#resting.add(connection)
  }

  /** One of them may be taken again. */
  rested(connection: Connection): void {
    if (connection.slot === null || connection.slot.isGone) this.drop(connection)
    else connection.slot.idle.add(connection)
  }

  /** Ends a connection at once, with whatever is on it. */
  drop(connection: Connection): void {
    connection.slot?.idle.remove(connection)
    this.#resting.remove(connection)
    if (connection.isDropped) return
    connection.isDropped = true
    this.#size--
    connection.client.destroy().catch(() => {})
  }

  /** Ends the idle connections; those in use end when they are given back. */
  close(): void {
    this.#isClosed = true
    this.name.close()
    const resting = this.#resting.all().filter(({ home }) => home === this)
    const idle = this.#connector.rotation.slots.flatMap(slot => slot.idle.all())
    for (const connection of [...idle, ...resting]) this.drop(connection)
  }
}

/** Whether some of the request that it carries has not left the process. */
export function isUnsent({ socket }: Connection): boolean {
  return socket !== null && socket.writableLength > 0
}
