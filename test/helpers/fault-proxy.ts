import { connect, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { freePort } from './ports.ts'

/** Where in what passes a fault begins: behind so many bytes, or behind a text; counted from when the fault was set. */
export type Place = number | string

/** What happens to the bytes of one direction. */
export type Fault =
  /** Each piece comes so much later. */
  | { readonly kind: 'latency'; readonly ms: number }
  /** One byte at a time. */
  | { readonly kind: 'trickle'; readonly gapMs: number }
  /** Both sides are reset. */
  | { readonly kind: 'reset'; readonly after: Place }
  /** This direction ends, the other one goes on. */
  | { readonly kind: 'half-close'; readonly after: Place }
  /** Nothing passes any more, and nobody is told. */
  | { readonly kind: 'blackhole'; readonly after: Place }
  /** Other bytes come in the place of those that were sent. */
  | { readonly kind: 'garbage'; readonly after: Place }

/** What happens in each direction; null: it passes as it is. */
export interface Faults {
  readonly toServer?: Fault | null
  readonly toClient?: Fault | null
}

/** A TCP proxy between two parties that does harm as it is told. */
export interface FaultProxy {
  readonly port: number
  readonly origin: string
  /** Connections that are open through it. */
  readonly connections: number
  /** Connections that ever came. */
  readonly accepted: number
  readonly isDown: boolean
  /** What happens from now on, on all connections. */
  set(faults: Faults): void
  /** What happens from now on, on the connections that are open now, and on no others. */
  setOpen(faults: Faults): void
  /** Resets every connection. */
  cut(): void
  /** Ends what clients say, on every connection, as if each had said its last word. */
  endClients(): void
  /** Resets every connection and takes no more: whoever connects is refused. */
  down(): Promise<void>
  /** Takes connections again, on the same port. */
  up(): Promise<void>
  /** Resolves when there are at most so many connections. */
  fallsTo(count: number): Promise<void>
}

/** Starts a proxy before a port of loopback, which may become known later; it ends with the test. */
export async function startFaultProxy(t: Test, server: number | (() => number)): Promise<FaultProxy> {
  const to = () => (typeof server === 'number' ? server : server())
  const links = new Set<Link>()
  const waiting = new Set<() => void>()
  let faults: Faults = {}
  let accepted = 0
  let isDown = false
  const onConnection = (client: Socket) => {
    accepted++
    const link = new Link(client, connect({ port: to(), host: '127.0.0.1', allowHalfOpen: true }), () => faults)
    links.add(link)
    link.onGone = () => {
      links.delete(link)
      for (const wake of waiting) wake()
    }
  }
  const open = async (port: number) => {
    const listener = createServer({ allowHalfOpen: true }, onConnection)
    await new Promise<void>((resolve, reject) => listener.listen(port, '127.0.0.1', resolve).once('error', reject))
    return listener
  }
  // It listens there again after it was down.
  const port = await freePort()
  let listener = await open(port)
  const cut = () => {
    for (const link of links) link.reset()
  }
  const down = async () => {
    isDown = true
    const closed = new Promise(resolve => listener.close(resolve))
    cut()
    await closed
  }
  t.teardown(down)
  return {
    port,
    origin: `http://127.0.0.1:${port}`,
    get connections() {
      return links.size
    },
    get isDown() {
      return isDown
    },
    get accepted() {
      return accepted
    },
    set(next) {
      faults = next
      for (const link of links) link.own = null
    },
    setOpen(next) {
      for (const link of links) link.own = next
    },
    cut,
    endClients() {
      for (const link of links) link.endClient()
    },
    down,
    up: async () => {
      isDown = false
      listener = await open(port)
    },
    fallsTo: async count => {
      while (links.size > count) {
        await new Promise<void>(resolve => {
          const wake = () => {
            waiting.delete(wake)
            resolve()
          }
          waiting.add(wake)
        })
      }
    }
  }
}

class Link {
  own: Faults | null = null
  onGone = () => {}
  readonly #client: Socket
  readonly #server: Socket

  constructor(client: Socket, server: Socket, shared: () => Faults) {
    this.#client = client
    this.#server = server
    const faults = () => this.own ?? shared()
    const reset = () => this.reset()
    new Pipe(client, server, () => faults().toServer ?? null, reset)
    new Pipe(server, client, () => faults().toClient ?? null, reset)
    let isGone = false
    for (const [socket, other] of [
      [client, server],
      [server, client]
    ] as const) {
      socket.setNoDelay(true)
      socket.on('error', () => resetSocket(other))
      socket.once('close', () => {
        other.destroy()
        if (!isGone) this.onGone()
        isGone = true
      })
    }
  }

  endClient(): void {
    this.#server.end()
  }

  reset(): void {
    resetSocket(this.#client)
    resetSocket(this.#server)
  }
}

/** One that has said its last word cannot be reset any more; Node would keep its handle for ever. */
function resetSocket(socket: Socket): void {
  if (socket.writableEnded) socket.destroy()
  else socket.resetAndDestroy()
}

/** One direction of a link. */
class Pipe {
  readonly #to: Socket
  readonly #faultOf: () => Fault | null
  readonly #reset: () => void
  #fault: Fault | null = null
  #isTripped = false
  #passed = 0
  /** The end of what has passed, for texts that come in two pieces. */
  #tail = ''

  constructor(from: Socket, to: Socket, faultOf: () => Fault | null, reset: () => void) {
    this.#to = to
    this.#faultOf = faultOf
    this.#reset = reset
    let work = Promise.resolve()
    from.on('data', piece => {
      from.pause()
      work = work.then(() => this.#carry(piece)).finally(() => from.resume())
    })
    from.once('end', () => {
      work = work.then(() => {
        if (!(this.#isTripped && this.#fault?.kind === 'blackhole')) to.end()
      })
    })
  }

  async #carry(piece: Buffer): Promise<void> {
    const fault = this.#faultOf()
    if (fault !== this.#fault) {
      this.#fault = fault
      this.#isTripped = false
      this.#passed = 0
      this.#tail = ''
    }
    if (fault === null) return await this.#write(piece)
    if (fault.kind === 'latency') {
      await sleep(fault.ms)
      return await this.#write(piece)
    }
    if (fault.kind === 'trickle') {
      for (const byte of piece) {
        if (this.#to.destroyed) return
        await this.#write(Buffer.of(byte))
        await sleep(fault.gapMs)
      }
      return
    }
    const at = this.#isTripped ? 0 : this.#placeIn(piece, fault.after)
    if (at === null) return await this.#write(piece)
    if (at > 0) await this.#write(piece.subarray(0, at))
    this.#isTripped = true
    await this.#harm(fault, piece.length - at)
  }

  /** Where in the piece the fault begins, or null when it does not. */
  #placeIn(piece: Buffer, after: Place): number | null {
    if (typeof after === 'number') {
      const at = after - this.#passed
      this.#passed += piece.length
      return at < piece.length ? at : null
    }
    const text = this.#tail + piece.toString('latin1')
    const found = text.indexOf(after)
    const at = found === -1 ? null : found + after.length - this.#tail.length
    this.#tail = text.slice(-after.length)
    return at
  }

  async #harm(fault: Fault, bytes: number): Promise<void> {
    switch (fault.kind) {
      case 'reset':
        // What came before is read before the reset is.
        await sleep(20)
        this.#reset()
        return
      case 'half-close':
        this.#to.end()
        return
      case 'garbage':
        await this.#write(Buffer.alloc(bytes, '\x16\x03~'))
    }
  }

  async #write(bytes: Buffer): Promise<void> {
    if (this.#to.destroyed || this.#to.writableEnded) return
    await new Promise<void>(resolve => this.#to.write(bytes, () => resolve()))
  }
}
