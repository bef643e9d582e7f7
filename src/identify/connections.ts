import type { Socket } from 'node:net'
import { inNetworks } from '../networks.ts'
import { keyOf, readAddress } from './address.ts'
import type { IdentifyOptions } from './options.ts'

/**
 * How many connections each address holds. One that would hold more than `clients.max_connections` gets no further: the new
 * connection ends before a byte of it is read (security.md B10). Trusted proxies hold as many as they need.
 */
export class Connections {
  /** How many were turned away. */
  refused = 0
  readonly #held = new Map<string, number>()
  readonly #onRefused: (key: string) => void
  #options: IdentifyOptions
  #isProxy: (ip: string) => boolean

  /** @param onRefused told of each that is turned away, by the key of its address */
  constructor(options: IdentifyOptions, onRefused: (key: string) => void = () => {}) {
    this.#onRefused = onRefused
    this.#options = options
    this.#isProxy = inNetworks(options.trustedProxies)
  }

  /** What is open stays open, also when it is more than may be now. */
  follow(options: IdentifyOptions): void {
    this.#options = options
    this.#isProxy = inNetworks(options.trustedProxies)
  }

  /** Addresses that hold a connection. */
  get size(): number {
    return this.#held.size
  }

  /** Counts a new connection for as long as it is open, or ends it. */
  take(socket: Pick<Socket, 'remoteAddress' | 'destroy' | 'once'>): void {
    const ip = readAddress(socket.remoteAddress ?? '')
    // One that has gone already has no address, and closes by itself.
    if (ip === null) return
    const key = keyOf(ip, this.#options.ipv6Prefix)
    const held = this.#held.get(key) ?? 0
    const { maxConnections } = this.#options
    if (maxConnections !== null && held >= maxConnections && !this.#isProxy(ip)) {
      this.refused++
      socket.destroy()
      this.#onRefused(key)
      return
    }
    this.#held.set(key, held + 1)
    socket.once('close', () => this.#release(key))
  }

  #release(key: string): void {
    const left = (this.#held.get(key) ?? 1) - 1
    if (left > 0) this.#held.set(key, left)
    else this.#held.delete(key)
  }
}
