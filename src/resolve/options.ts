import { isIP } from 'node:net'
import { type Static, Type } from '../schema-types.ts'
import type { Ms } from '../time.ts'
import { DURATION, readDurationMs } from '../units.ts'

/** Which addresses of names are used. */
export type NameFamily = 'any' | 'ipv4' | 'ipv6'

/** What `resolve/` needs, from the YAML key `resolver`. */
export interface ResolverOptions {
  /** `address` or `address:port` of each name server; null: those of /etc/resolv.conf. */
  readonly servers: readonly string[] | null
  /** For one resolution, whatever it takes. */
  readonly timeoutMs: Ms
  /** The TTL of an answer is raised to the first and lowered to the second. */
  readonly minTtlMs: Ms
  readonly maxTtlMs: Ms
  /** The longest time between two tries of a name that cannot be resolved. */
  readonly negativeTtlMs: Ms
  /** How long the last good answer is used while there is no other. */
  readonly maxStaleMs: Ms
  readonly family: NameFamily
}

/** The YAML key `resolver`. */
export const ResolverSchema = Type.Object(
  {
    servers: Type.Optional(
      Type.Array(Type.String(), {
        minItems: 1,
        description: 'Name servers, in order; those of /etc/resolv.conf unless given.'
      })
    ),
    timeout: Type.String({ ...DURATION, default: '5s', description: 'For one resolution of a name.' }),
    min_ttl: Type.String({ ...DURATION, default: '1s', description: 'Answers are used for so long at least.' }),
    max_ttl: Type.String({ ...DURATION, default: '1m', description: 'Answers are asked for again after so long.' }),
    negative_ttl: Type.String({
      ...DURATION,
      default: '5s',
      description: 'How long after a failed resolution the name is tried again, at most.'
    }),
    max_stale: Type.String({
      ...DURATION,
      default: '1h',
      description:
        'How long the last good answer is used while name servers fail. A name that no longer exists is dropped after 30s.'
    }),
    family: Type.Enum(['any', 'ipv4', 'ipv6'], {
      default: 'any',
      description: 'Which addresses are used. With `any`, IPv4 is preferred, and IPv6 used where IPv4 fails.'
    })
  },
  {
    additionalProperties: false,
    default: {},
    description:
      'How names are resolved: /etc/hosts, then DNS with the search domains and ndots of /etc/resolv.conf. Names of engines ' +
      'are kept resolved in the background; no call waits for a name server.'
  }
)

/** Reads the key `resolver`. */
export function resolverOptions(yaml: Static<typeof ResolverSchema>): ResolverOptions {
  return {
    servers: yaml.servers ?? null,
    timeoutMs: readDurationMs(yaml.timeout),
    minTtlMs: readDurationMs(yaml.min_ttl),
    maxTtlMs: readDurationMs(yaml.max_ttl),
    negativeTtlMs: readDurationMs(yaml.negative_ttl),
    maxStaleMs: readDurationMs(yaml.max_stale),
    family: yaml.family as NameFamily
  }
}

/** Whether a text is the address of a name server, with a port or without. */
export function isServerAddress(text: string): boolean {
  if (isIP(text) !== 0) return true
  const [, host = '', port = ''] = /^(?:\[(?=.*\]))?([^\]]*?)\]?(?::(\d{1,5}))?$/.exec(text) ?? []
  return isIP(host) !== 0 && (port === '' || (Number(port) > 0 && Number(port) <= 65_535))
}
