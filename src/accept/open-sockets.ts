import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Ms } from '../time.ts'
import type { OpenSocket, SocketClocks, SocketEvents, SocketState } from './socket-clocks.ts'
import { Strangers } from './strangers.ts'

interface WatchOptions {
  readonly isTls: boolean
  readonly admit?: (socket: Socket) => boolean
  readonly strangerOf?: (socket: Socket) => string | null
}

interface Entry extends OpenSocket {
  state: SocketState
  sinceMs: Ms
  /** What connections of strangers are counted by; null when they are not, or it is known who calls. */
  stranger: string | null
  readonly responses: Set<ServerResponse>
  /** The same function for all responses of the connection: nothing is made for each of them. */
  onClose(this: ServerResponse): void
}

const STATES: readonly SocketState[] = ['handshake', 'head', 'request', 'idle']
const LETTING_GO_MS: Ms = 50
/** Connections that are destroyed in one turn of the event loop: each takes up to 0.1 ms, with TLS. */
const ENDS_IN_TURN = 64

/**
 * Every connection of a listener, from accept(2) to its end, and the clocks of each.
 *
 * Node's own clocks answer a slow head or body with a 408. They do not see a TLS handshake that goes on byte by byte, nor line
 * ends before a request line; and they stop when a server is closed. These are absolute, go on while the gate drains, and
 * destroy the TCP connection without a byte of HTTP.
 */
export class OpenSockets {
  /** How many were closed because there were as many as there may be. */
  evicted = 0
  readonly #clocks: SocketClocks
  readonly #events: SocketEvents
  /** Each in the order in which they came into the state: the first one is the longest there. */
  readonly #in: Readonly<Record<SocketState, Set<Entry>>> = {
    handshake: new Set(),
    head: new Set(),
    request: new Set(),
    idle: new Set()
  }
  /** By the socket that requests come on. */
  readonly #of = new WeakMap<Socket, Entry>()
  /** Without a TLS session yet, by both ends of the connection. */
  readonly #shaking = new Map<string, Entry>()
  readonly #strangers = new Strangers<Entry>()
  #max: number
  #isKnown: (response: ServerResponse) => boolean = () => false
  #lingerMs: Ms | null = null
  #clock: NodeJS.Timeout | null = null
  /** Connections that the last check has ended. */
  #ends = 0
  #isCheckDue = false

  constructor(clocks: SocketClocks, max = Number.POSITIVE_INFINITY, events: SocketEvents = {}) {
    this.#clocks = clocks
    this.#max = max
    this.#events = events
  }

  get size(): number {
    return STATES.reduce((sum, state) => sum + this.#in[state].size, 0)
  }

  /** Since `letGo`. */
  get isLettingGo(): boolean {
    return this.#lingerMs !== null
  }

  /** How many there are in each state. */
  counts(): Readonly<Record<SocketState, number>> {
    const { handshake, head, request, idle } = this.#in
    return { handshake: handshake.size, head: head.size, request: request.size, idle: idle.size }
  }

  /** The most that there may be. What is open stays open. */
  limit(max: number): void {
    this.#max = max
  }

  /** The connection that a socket of HTTP is; undefined while there is no TLS session, and when it has ended. */
  of(socket: Socket): OpenSocket | undefined {
    return this.#of.get(socket)
  }

  /**
   * Follows every connection of a server.
   * @param admit says whether an address may hold one more; false when it was destroyed
   * @param strangerOf what connections of strangers are counted by; null where they are not
   */
  watch(server: Server, { isTls, admit = () => true, strangerOf = () => null }: WatchOptions): void {
    server.on('connection', (raw: Socket) => {
      if (!raw.destroyed && admit(raw)) this.#take(raw, isTls, strangerOf(raw))
    })
    server.on('secureConnection', (socket: Socket) => this.#secured(socket))
    server.prependListener('request', (request, response) => this.#began(request, response))
    // It is a request until its end: no other one comes on it.
    server.prependListener('upgrade', ({ socket }: IncomingMessage) => {
      const entry = this.#of.get(socket)
      if (entry !== undefined) this.#enter(entry, 'request')
    })
    this.#setClock(this.#clocks.checkEveryMs)
  }

  /** @param isKnown whether it is known whose request it is: then its body has its time also while the gate drains */
  knowsBy(isKnown: (response: ServerResponse) => boolean): void {
    this.#isKnown = isKnown
  }

  /** Waits for nothing that has not begun: a connection without a request ends after `lingerMs`, a stranger's body too. */
  letGo({ lingerMs }: { readonly lingerMs: Ms }): void {
    this.#lingerMs = lingerMs
    this.#setClock(LETTING_GO_MS)
    this.#check()
  }

  /** Ends those whose requests are all of strangers. */
  destroyStrangers(): void {
    for (const entry of this.#in.request) {
      const responses = [...entry.responses]
      if (responses.length > 0 && !responses.some(this.#isKnown)) this.#end(entry)
    }
  }

  /** Ends all of them at once. */
  destroyAll(): void {
    for (const state of STATES) for (const { raw } of this.#in[state]) raw.destroy()
  }

  /** Stops the clocks. */
  close(): void {
    if (this.#clock !== null) clearInterval(this.#clock)
    this.#clock = null
  }

  #setClock(everyMs: Ms): void {
    this.close()
    this.#clock = setInterval(() => this.#check(), everyMs).unref()
  }

  #take(raw: Socket, isTls: boolean, stranger: string | null): void {
    const key = isTls ? endsOf(raw) : ''
    const state = isTls ? 'handshake' : 'head'
    const address = raw.remoteAddress ?? ''
    const onAnswered = (response: ServerResponse) => {
      entry.responses.delete(response)
      if (entry.stranger !== null && this.#isKnown(response)) entry.stranger = null
      if (entry.responses.size === 0) this.#enter(entry, 'idle')
    }
    const entry: Entry = {
      raw,
      address,
      state,
      sinceMs: performance.now(),
      stranger,
      responses: new Set(),
      onClose() {
        onAnswered(this)
      }
    }
    if (this.size >= this.#max) {
      const victim = this.#withoutRequest()
      this.evicted++
      this.#events.onFull?.(victim ?? entry)
      if (victim === null) {
        raw.destroy()
        return
      }
      this.#end(victim)
    }
    this.#in[state].add(entry)
    if (isTls) this.#shaking.set(key, entry)
    else this.#of.set(raw, entry)
    if (!isTls) this.#addStranger(entry)
    raw.once('close', () => {
      this.#leave(entry)
      if (isTls && this.#shaking.get(key) === entry) this.#shaking.delete(key)
    })
  }

  #secured(socket: Socket): void {
    const key = endsOf(socket)
    const entry = this.#shaking.get(key)
    if (entry === undefined) return
    this.#shaking.delete(key)
    this.#of.set(socket, entry)
    this.#enter(entry, 'head')
  }

  #began({ socket }: IncomingMessage, response: ServerResponse): void {
    const entry = this.#of.get(socket)
    if (entry === undefined) return
    if (entry.responses.size === 0) this.#enter(entry, 'request')
    entry.responses.add(response)
    response.on('close', entry.onClose)
  }

  #enter(entry: Entry, state: SocketState): void {
    // One that was ended here is in no set any more.
    if (!this.#leave(entry)) return
    entry.state = state
    entry.sinceMs = performance.now()
    this.#in[state].add(entry)
    if (state !== 'request') this.#addStranger(entry)
  }

  #addStranger(entry: Entry): void {
    if (entry.stranger !== null) this.#strangers.add(entry.stranger, entry)
  }

  #leave(entry: Entry): boolean {
    if (entry.stranger !== null) this.#strangers.delete(entry.stranger, entry)
    return this.#in[entry.state].delete(entry)
  }

  /** The one that is longest without a request; those that never had one come first. */
  #withoutRequest(): Entry | null {
    const [shaking] = this.#in.handshake
    const [silent] = this.#in.head
    const [idle] = this.#in.idle
    if (shaking === undefined || silent === undefined) return shaking ?? silent ?? idle ?? null
    return shaking.sinceMs < silent.sinceMs ? shaking : silent
  }

  #end(entry: Entry): void {
    this.#leave(entry)
    entry.raw.destroy()
  }

  #check(): void {
    this.#ends = 0
    const { handshakeMs, headMs, idleMs, bodyMs } = this.#clocks
    const mostMs = this.#lingerMs ?? Number.POSITIVE_INFINITY
    const now = performance.now()
    this.#checkState('handshake', now, Math.min(handshakeMs, mostMs))
    this.#checkState('head', now, Math.min(headMs, mostMs))
    this.#checkState('idle', now, Math.min(idleMs, mostMs))
    for (const entry of this.#strangers.overdue(now)) {
      if (this.#isFull()) return
      this.#overdue(entry)
    }
    // Before that Node does so, and answers with a 408.
    if (this.#lingerMs === null) return
    for (const entry of this.#in.request) {
      const sending = [...entry.responses].filter(({ req }) => !req.complete)
      if (sending.length === 0) continue
      const ms = sending.every(this.#isKnown) ? bodyMs : Math.min(bodyMs, mostMs)
      if (now - entry.sinceMs >= ms) this.#overdue(entry)
    }
  }

  #checkState(state: SocketState, now: Ms, afterMs: Ms): void {
    for (const entry of this.#in[state]) {
      if (now - entry.sinceMs < afterMs) break
      if (this.#isFull()) return
      this.#overdue(entry)
    }
  }

  /** Whether enough has ended in this turn of the event loop. The rest follows in the next one. */
  #isFull(): boolean {
    if (this.#ends < ENDS_IN_TURN) return false
    if (!this.#isCheckDue) {
      this.#isCheckDue = true
      setImmediate(() => {
        this.#isCheckDue = false
        this.#check()
      })
    }
    return true
  }

  #overdue(entry: Entry): void {
    this.#ends++
    if (this.#lingerMs === null) this.#events.onOverdue?.(entry)
    this.#end(entry)
  }
}

/** A TLS session knows the connection that it is on by nothing else that is documented. */
function endsOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`
}
