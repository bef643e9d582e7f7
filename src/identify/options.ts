import { type Static, Type } from '../schema-types.ts'
import type { Ms } from '../time.ts'
import { DURATION, readDurationMs } from '../units.ts'

/** What `identify/` needs, from the YAML key `clients`. */
export interface IdentifyOptions {
  /** CIDR ranges or single addresses, canonical text as the operator wrote it (validated). */
  readonly trustedProxies: readonly string[]
  /** Bits of an IPv6 address that tell one caller from another. */
  readonly ipv6Prefix: number
  /** Connections that one address may hold at once; null for a quarter of all that there may be. */
  readonly maxConnections: number | null
  readonly bans: BanOptions
}

/** What a ban does: refuses all but tokens that were verified before, refuses all, is only logged; `off` counts nothing. */
export type BanMode = 'soft' | 'strict' | 'dry_run' | 'off'

/** When an address is banned, and for how long. */
export interface BanOptions {
  readonly mode: BanMode
  /** So many failures, by their weights, */
  readonly after: number
  /** within so long of the first of them. */
  readonly withinMs: Ms
  /** How long the first ban lasts; each further one twice as long, */
  readonly forMs: Ms
  /** but no longer than this. */
  readonly maxMs: Ms
  /** Networks that are never banned. */
  readonly never: readonly string[]
}

const NETWORK = { format: 'network', expected: 'an address or a network such as 10.0.0.0/8 or fd00::/8' } as const

const BansSchema = Type.Object(
  {
    mode: Type.Enum(['soft', 'strict', 'dry_run', 'off'], {
      default: 'soft',
      description:
        '`soft`: a banned address may use tokens that the gate has verified before, nothing else. `strict`: nothing. ' +
        '`dry_run`: bans are logged and counted alone. `off`: nothing is counted.'
    }),
    after: Type.Integer({
      minimum: 1,
      maximum: 1_000,
      default: 20,
      description: 'How many distinct bad tokens of an address, weighted, lead to a ban.'
    }),
    within: Type.String({ ...DURATION, default: '10m', description: 'In what time, from the first of them on.' }),
    for: Type.String({
      ...DURATION,
      default: '10m',
      description: 'How long the first ban lasts. Each further one lasts twice as long, until 24 h were clean.'
    }),
    max: Type.String({ ...DURATION, default: '24h', description: 'How long a ban lasts at most.' }),
    never: Type.Array(Type.String(NETWORK), {
      default: [],
      description: 'Networks that are never banned. Loopback and `trusted_proxies` never are.'
    })
  },
  {
    additionalProperties: false,
    default: {},
    description: 'Addresses that send bad tokens, again and again; of IPv6 the network of `ipv6_prefix`.'
  }
)

/** The YAML key `clients`. */
export const ClientsSchema = Type.Object(
  {
    trusted_proxies: Type.Array(Type.String(NETWORK), {
      default: [],
      description: 'Proxies whose X-Forwarded-For is believed.'
    }),
    ipv6_prefix: Type.Integer({
      minimum: 48,
      maximum: 128,
      default: 64,
      description:
        'Bits of an IPv6 address that tell one caller from another: what is counted and banned is that network.'
    }),
    max_connections: Type.Optional(
      Type.Integer({
        minimum: 1,
        description:
          'Connections that one address may hold at once, trusted proxies apart; more are closed unread. Without it, a quarter ' +
          'of `server.max_connections`.'
      })
    ),
    bans: BansSchema
  },
  { additionalProperties: false, default: {}, description: 'Who the callers are, by address.' }
)

/** Reads the key `clients`. */
export function identifyOptions({
  trusted_proxies,
  ipv6_prefix,
  max_connections,
  bans
}: Static<typeof ClientsSchema>): IdentifyOptions {
  return {
    trustedProxies: trusted_proxies,
    ipv6Prefix: ipv6_prefix,
    maxConnections: max_connections ?? null,
    bans: {
      mode: bans.mode,
      after: bans.after,
      withinMs: readDurationMs(bans.within),
      forMs: readDurationMs(bans.for),
      maxMs: readDurationMs(bans.max),
      never: bans.never
    }
  }
}
