import type { Socket } from 'node:net'
import { type NameAddress, type NameResolver, type ResolvedName, withoutService } from '../resolve/names.ts'
import { literalName } from '../resolve/resolver.ts'
import type { Ms } from '../time.ts'
import { readListen } from '../units.ts'
import type { Placed } from './bag.ts'
import { connectSocket, type OnSocket } from './connect.ts'
import type { TargetOptions } from './options.ts'
import { type AddressSlot, Rotation } from './rotation.ts'

/** Told how long a connection of a pool took to be made, TLS included. */
export type OnConnected = (pool: string, tookMs: Ms) => void

/** Addresses of a target; null: none are known. */
export type Addresses = readonly NameAddress[] | null

/** What the connections to all targets have in common. */
export interface ConnectorInit {
  readonly onConnected?: OnConnected | undefined
  /** Resolves the names of targets. Without one, targets are addresses. */
  readonly resolver?: Pick<NameResolver, 'open'> | undefined
  /** Called after a target's name has come to lead elsewhere, with the addresses that it has now and had before. */
  readonly onAddresses?: ((target: TargetOptions, now: Addresses, before: Addresses) => void) | undefined
}

/** Called once, with a socket and the address that it is connected to, or with an error. */
export type OnConnection<T extends Placed = Placed> = (
  error: Error | null,
  socket: Socket | null,
  slot: AddressSlot<T> | null
) => void

/** Opens sockets to one target: follows where its name leads, and has its addresses take turns. */
export class Connector<T extends Placed = Placed> {
  /** Where the target's name leads. */
  readonly name: ResolvedName
  readonly rotation = new Rotation<T>()
  readonly #target: TargetOptions
  /** What the certificate is for. */
  readonly #host: string
  readonly #port: number
  readonly #init: ConnectorInit
  readonly #onGone: (slot: AddressSlot<T>) => void
  /** The addresses that the slots stand for. */
  #followed: Addresses = null
  #session: Buffer | undefined

  /** @param onGone called for each address that the name leads to no more */
  constructor(target: TargetOptions, init: ConnectorInit, onGone: (slot: AddressSlot<T>) => void) {
    this.#target = target
    this.#init = init
    this.#onGone = onGone
    const { hostname, port, protocol } = new URL(target.origin)
    const host = hostname.replace(/^\[|\]$/g, '')
    this.#host = withoutService(host)
    const one = target.address === undefined ? null : readListen(target.address)
    this.#port = one?.port ?? Number(port || (protocol === 'https:' ? 443 : 80))
    const name = literalName(one?.host ?? host) ?? init.resolver?.open(host, () => this.#moved()) ?? null
    if (name === null) throw new TypeError('a name needs a resolver')
    this.name = name
    this.#follow()
  }

  /** The name has a timeout of its own, which is the resolver's: the one of the target is for connecting alone. */
  connect(wanted: AddressSlot<T> | null, done: OnConnection<T>): void {
    const first = wanted === null || wanted.isGone ? this.rotation.next() : wanted
    if (first !== null) {
      this.#connectTo(first, done)
      return
    }
    this.name.ready().then(
      () => {
        this.#follow()
        const slot = this.rotation.next()
        if (slot === null) done(new Error('no address'), null, null)
        else this.#connectTo(slot, done)
      },
      (err: Error) => done(err, null, null)
    )
  }

  #connectTo(first: AddressSlot<T>, done: OnConnection<T>): void {
    const { origin, pool, timeouts, ca, cert, key } = this.#target
    const order = this.rotation.order(first)
    const sinceMs = performance.now()
    const onSocket: OnSocket = (error, socket, place) => {
      const slot = order[place] ?? null
      if (slot !== null) {
        this.rotation.succeeded(slot)
        this.#init.onConnected?.(pool, performance.now() - sinceMs)
      }
      done(error, socket, slot)
    }
    const tls = {
      host: this.#host,
      options: tlsOf({ ca, cert, key }),
      session: this.#session,
      onSession: (session: Buffer) => {
        this.#session = session
      }
    }
    connectSocket(
      {
        addresses: order.map(({ address, port }) => ({ address, port: port ?? this.#port })),
        tls: origin.startsWith('https:') ? tls : null,
        timeoutMs: timeouts.connectMs,
        onFailed: place => {
          if (order[place] !== undefined) this.rotation.failed(order[place])
        }
      },
      onSocket
    )
  }

  #moved(): void {
    const before = this.#followed
    this.#follow()
    this.#init.onAddresses?.(this.#target, this.#followed, before)
  }

  #follow(): void {
    const { addresses } = this.name
    if (addresses === this.#followed) return
    this.#followed = addresses
    for (const slot of this.rotation.follow(addresses ?? [])) this.#onGone(slot)
  }
}

/** What a connection to a target trusts, and what it shows of itself. Certificates are always verified. */
function tlsOf({ ca, cert, key }: Pick<TargetOptions, 'ca' | 'cert' | 'key'>) {
  return { ...(ca === null ? {} : { ca }), ...(cert === null || key === null ? {} : { cert, key }) }
}
