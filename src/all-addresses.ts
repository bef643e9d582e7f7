import type { Config } from './config/load.ts'
import type { Addresses } from './forward/connector.ts'
import type { UpstreamName } from './forward/transport.ts'
import type { NameResolver, ResolvedName } from './resolve/names.ts'
import type { TargetPlace } from './route/options.ts'

/** A target whose addresses are targets of their own. */
interface AllOf {
  readonly pool: string
  readonly target: string
  readonly name: ResolvedName
  seen: Addresses
}

type Expanded = Pick<Config, 'route' | 'forward'>

/** The targets with `resolve: all`: what their names lead to at the moment. */
export interface AllAddresses {
  /** Keeps the names of a configuration resolved, and no others. */
  follow(config: Expanded): void
  /** The configuration with a target for each address. A name that has none yet stays a target itself, without an address. */
  expand(config: Expanded): Expanded
  /** Whether a target is such a one. */
  has(pool: string, origin: string): boolean
  names(): readonly UpstreamName[]
  close(): void
}

/** @param init.onChange called after the addresses of a target have changed */
export function createAllAddresses(init: {
  readonly resolver: Pick<NameResolver, 'open'>
  readonly onChange: (place: { pool: string; target: string }, now: Addresses, before: Addresses) => void
}): AllAddresses {
  const known = new Map<string, AllOf>()
  const keyOf = (pool: string, origin: string) => `${pool} ${origin}`

  const open = (pool: string, target: string): AllOf => {
    const host = new URL(target).hostname
    const one: AllOf = {
      pool,
      target,
      seen: null,
      name: init.resolver.open(host, () => {
        const before = one.seen
        one.seen = one.name.addresses
        init.onChange({ pool, target }, one.seen, before)
      })
    }
    one.seen = one.name.addresses
    return one
  }
  const addressesOf = (pool: string, origin: string): Addresses =>
    known.get(keyOf(pool, origin))?.name.addresses ?? null

  return {
    follow({ route }) {
      const wanted = new Map(
        [...route.pools].flatMap(([pool, { targets }]) =>
          targets
            .filter(({ resolvesAll }) => resolvesAll === true)
            .map(({ origin }) => [keyOf(pool, origin), { pool, origin }] as const)
        )
      )
      for (const [key, { name }] of known) {
        if (wanted.has(key)) continue
        name.close()
        known.delete(key)
      }
      for (const [key, { pool, origin }] of wanted) if (!known.has(key)) known.set(key, open(pool, origin))
    },
    expand({ route, forward }) {
      const pools = new Map(
        [...route.pools].map(([name, options]) => [
          name,
          { ...options, targets: options.targets.flatMap(place => placesOf(place, addressesOf(name, place.origin))) }
        ])
      )
      const targets = forward.targets.flatMap(target =>
        addressTexts(target.origin, addressesOf(target.pool, target.origin)).map(address => ({ ...target, ...address }))
      )
      return { route: { ...route, pools }, forward: { ...forward, targets } }
    },
    has: (pool, origin) => known.has(keyOf(pool, origin)),
    names: () =>
      [...known.values()].map(({ pool, target, name: { addresses, fault } }) => ({
        pool,
        origin: target,
        addresses: addresses === null ? null : addressTexts(target, addresses).flatMap(({ address }) => address ?? []),
        fault: fault === null ? null : `${fault.code}: ${fault.message}`
      })),
    close() {
      for (const { name } of known.values()) name.close()
    }
  }
}

function placesOf(place: TargetPlace, addresses: Addresses): readonly TargetPlace[] {
  return addressTexts(place.origin, addresses).map((address, i) => ({
    ...place,
    ...address,
    weight: addresses?.[i]?.weight || place.weight
  }))
}

/** `address:port` of each; of a name without addresses one that says none. */
function addressTexts(origin: string, addresses: Addresses): readonly { readonly address?: string }[] {
  if (addresses === null) return [{}]
  const { port, protocol } = new URL(origin)
  const usual = port || (protocol === 'https:' ? '443' : '80')
  return addresses.map(({ address, family, port: own }) => ({
    address: `${family === 6 ? `[${address}]` : address}:${own ?? usual}`
  }))
}
