import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Ms } from '../time.ts'
import { stopReading } from './stop-reading.ts'

/** More small pieces in one turn of the event loop, and no other connection is read in it: some 10 ms. */
const MOST_IN_TURN = 4 * 1024
/**
 * What is read in turns takes about a fifth of the time of the process: a parser spends about 2 µs on each piece. One read may
 * take 25 ms, and a call should meet no more than one or two of those.
 */
const PIECES_PER_MS = 128
/** What a handshake counts for, of an address that has sent small pieces: its cost, and some of what comes with its end. */
const HANDSHAKE_PIECES = 4 * 1024
/** For so long an address that has sent many small pieces is remembered. */
const REMEMBER_MS: Ms = 10_000

/** What counts small pieces. */
export type Spend = (socket: Socket, pieces: number) => void

/**
 * Shares the time of one server's parser between its connections.
 *
 * One read of 64 KiB may hold 11 000 chunks of one byte, and nothing stops a parser before the end of a read. So a connection
 * that has sent many small pieces is read again only in its turn, which goes round by address. And when many such reads come
 * in one turn of the event loop, no other connection is read in that turn: those that have had an answer are read in the
 * next one, those without one after that.
 *
 * Costs nothing for a connection that sends no small pieces, but an entry and two listeners.
 */
export class ReadTurns {
  readonly #open = new Set<Socket>()
  /** Not read for now, and whether anybody wanted to read it meanwhile. */
  readonly #held = new Map<Socket, boolean>()
  /** Waiting for their turn: how each begins. */
  readonly #handshakes = new Map<Socket, () => void>()
  /** Held because others have sent too much, until the next turn of the event loop. */
  #others = new Set<Socket>()
  /** By address, the one whose turn is next first. No queue is empty. */
  readonly #queues = new Map<string, Socket[]>()
  /** When an address has sent many small pieces last; the longest ago comes first. */
  readonly #sentMs = new Map<string, Ms>()
  #inTurn = 0
  #sinceRelease = 0
  #isRunning = false

  /** Follows every connection of a server. */
  watch(server: Server, { isTls }: { readonly isTls: boolean }): void {
    server.on(isTls ? 'secureConnection' : 'connection', (socket: Socket) => {
      if (socket.destroyed) return
      this.#open.add(socket)
      const { remoteAddress = '' } = socket
      this.#forget()
      // Node reads on by itself, whenever there is room in a body or a request is done with.
      socket.on('resume', () => {
        if (!this.#held.has(socket)) return
        this.#held.set(socket, true)
        stopReading(socket)
      })
      socket.once('close', () => {
        this.#open.delete(socket)
        this.#held.delete(socket)
        this.#others.delete(socket)
      })
      // Else whoever begins another connection for each body waits for no turn.
      if (!this.#sentMs.has(remoteAddress)) return
      this.#hold(socket, true)
      this.#enqueue(socket, remoteAddress)
    })
  }

  /**
   * Has a handshake wait for its turn where its address has sent many small pieces of late: what comes with the end of a handshake
   * is read at once, whatever is held.
   * @returns false where it need not wait
   */
  delayHandshake(raw: Socket, begin: () => void): boolean {
    const { remoteAddress = '' } = raw
    this.#forget()
    if (!this.#sentMs.has(remoteAddress)) return false
    this.#handshakes.set(raw, begin)
    raw.once('close', () => this.#handshakes.delete(raw))
    this.#line(raw, remoteAddress)
    return true
  }

  /** Connections that are not read for now. */
  get held(): number {
    return this.#held.size
  }

  /** Counts small pieces that a read has brought. The connection is read again in its turn. */
  readonly spend: Spend = (socket, pieces) => {
    if (this.#inTurn === 0) setImmediate(() => this.#endTurn())
    this.#inTurn += pieces
    this.#sinceRelease += pieces
    if (this.#open.has(socket)) this.#queue(socket)
    if (this.#inTurn > MOST_IN_TURN) this.#holdOthers()
  }

  #queue(socket: Socket): void {
    const isOther = this.#others.delete(socket)
    if (this.#held.has(socket) && !isOther) return
    const address = socket.remoteAddress ?? ''
    this.#sentMs.delete(address)
    this.#sentMs.set(address, performance.now())
    this.#enqueue(socket, address)
  }

  #enqueue(socket: Socket, address: string): void {
    // Whoever takes from its body says that there is room for more.
    if (!this.#held.has(socket)) this.#hold(socket, false)
    this.#line(socket, address)
  }

  #line(socket: Socket, address: string): void {
    const queue = this.#queues.get(address)
    if (queue === undefined) this.#queues.set(address, [socket])
    else queue.push(socket)
    if (this.#isRunning) return
    this.#isRunning = true
    this.#sinceRelease = 0
    setImmediate(() => this.#rest())
  }

  #hold(socket: Socket, isWanted: boolean): void {
    this.#held.set(socket, isWanted)
    stopReading(socket)
  }

  #release(socket: Socket): void {
    const isWanted = this.#held.get(socket)
    this.#held.delete(socket)
    if (isWanted === true) socket.resume()
  }

  #holdOthers(): void {
    for (const socket of this.#open) {
      if (socket.isPaused() || this.#held.has(socket)) continue
      this.#hold(socket, true)
      this.#others.add(socket)
    }
  }

  #endTurn(): void {
    this.#inTurn = 0
    if (this.#others.size === 0) return
    const others = [...this.#others]
    // One that has had an answer has shown that its reads are like those of others.
    const answered = others.filter(({ bytesWritten }) => bytesWritten > 0)
    this.#others = new Set(answered.length === 0 ? [] : others.filter(({ bytesWritten }) => bytesWritten === 0))
    if (answered.length > 0) {
      for (const socket of answered) this.#release(socket)
      setImmediate(() => this.#endTurn())
      return
    }
    this.#forget()
    for (const socket of others) {
      const { remoteAddress = '' } = socket
      if (this.#sentMs.has(remoteAddress)) this.#enqueue(socket, remoteAddress)
      else this.#release(socket)
    }
  }

  #forget(): void {
    if (this.#sentMs.size === 0) return
    const sinceMs = performance.now() - REMEMBER_MS
    for (const [address, sentMs] of this.#sentMs) {
      if (sentMs > sinceMs) break
      this.#sentMs.delete(address)
    }
  }

  /** Waits for as long as the last read calls for. */
  #rest(): void {
    const restMs: Ms = Math.floor(this.#sinceRelease / PIECES_PER_MS)
    this.#sinceRelease = 0
    if (restMs === 0) this.#next()
    else setTimeout(() => this.#next(), restMs)
  }

  #next(): void {
    for (const [address, queue] of this.#queues) {
      const socket = queue.shift()
      // Behind all others: each address has one turn before this one has its next.
      this.#queues.delete(address)
      if (queue.length > 0) this.#queues.set(address, queue)
      if (socket === undefined) continue
      const begin = this.#handshakes.get(socket)
      if (begin === undefined && !this.#held.has(socket)) continue
      if (begin === undefined) this.#release(socket)
      else {
        this.#handshakes.delete(socket)
        this.#sinceRelease += HANDSHAKE_PIECES
        begin()
      }
      // It is read in the next turn of the event loop.
      setImmediate(() => setImmediate(() => this.#rest()))
      return
    }
    this.#isRunning = false
  }
}
