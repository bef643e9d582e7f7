import Type, { type Static } from 'typebox'

/** What `identify/` needs, from the YAML key `clients`. */
export interface IdentifyOptions {
  /** CIDR ranges or single addresses, canonical text as the operator wrote it (validated). */
  readonly trustedProxies: readonly string[]
}

/** The YAML key `clients`. */
export const ClientsSchema = Type.Object(
  {
    trusted_proxies: Type.Array(
      Type.String({ format: 'network', expected: 'an address or a network such as 10.0.0.0/8 or fd00::/8' }),
      {
        default: [],
        description: 'Proxies whose X-Forwarded-For is believed.'
      }
    )
  },
  { additionalProperties: false, default: {}, description: 'Who the callers are, by address.' }
)

/** Reads the key `clients`. */
export function identifyOptions(yaml: Static<typeof ClientsSchema>): IdentifyOptions {
  return { trustedProxies: yaml.trusted_proxies }
}
