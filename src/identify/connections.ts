import type { Socket } from 'node:net'
import { inNetworks } from '../networks.ts'
import { keyOf, readAddress } from './address.ts'
import type { IdentifyOptions } from './options.ts'

/**
 * How many connections each address holds. One that would hold more than `clients.max_connections` gets no further: the new
 * connection ends before a byte of it is read. Trusted proxies hold as many as they need: each is many callers.
 */
export class Connections {
  /** How many were turned away. */
  refused = 0
  readonly #held = new Map<string, number>()
  readonly #onRefused: (key: string) => void
  readonly #defaultMax: () => number
  #options: IdentifyOptions
  #isProxy: (ip: string) => boolean

  /**
   * @param onRefused told of each that is turned away, by the key of its address
   * @param defaultMax where the configuration has no number
   */
  constructor(
    options: IdentifyOptions,
    onRefused: (key: string) => void = () => {},
    defaultMax: () => number = () => Number.POSITIVE_INFINITY
  ) {
    this.#onRefused = onRefused
    this.#defaultMax = defaultMax
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

  /** Counts a new connection for as long as it is open, or ends it. @returns whether it goes on */
  take(socket: Pick<Socket, 'remoteAddress' | 'destroy' | 'once'>): boolean {
    const ip = readAddress(socket.remoteAddress ?? '')
    // One that has gone already has no address, and closes by itself.
    if (ip === null) return true
    const key = keyOf(ip, this.#options.ipv6Prefix)
    const held = this.#held.get(key) ?? 0
    if (held >= (this.#options.maxConnections ?? this.#defaultMax()) && !this.#isProxy(ip)) {
      this.refused++
      socket.destroy()
      this.#onRefused(key)
      return false
    }
    this.#held.set(key, held + 1)
    socket.once('close', () => this.#release(key))
    return true
  }

  /** @returns what connections of strangers are counted by; null for a trusted proxy, which brings callers of all kinds */
  strangerOf({ remoteAddress }: Pick<Socket, 'remoteAddress'>): string | null {
    const ip = readAddress(remoteAddress ?? '')
    return ip === null || this.#isProxy(ip) ? null : keyOf(ip, this.#options.ipv6Prefix)
  }

  #release(key: string): void {
    const left = (this.#held.get(key) ?? 1) - 1
    if (left > 0) this.#held.set(key, left)
    else this.#held.delete(key)
  }
}
