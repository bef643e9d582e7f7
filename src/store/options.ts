import Type, { type Static } from 'typebox'

/** What `store/` needs, from the YAML key `store`. */
export interface StoreOptions {
  /** `redis://[user:password@]host:port[/number]`, with `rediss://` for TLS. */
  readonly url: string
  /** It is one of the nodes of a Redis Cluster. */
  readonly isCluster: boolean
}

/** The YAML key `store`. */
export const StoreSchema = Type.Optional(
  Type.Object(
    {
      url: Type.String({
        secret: true,
        pattern: '^(?:redis|valkey)s?://[^\\s/]+(?:/\\d{0,2})?$',
        expected: 'a URL such as redis://store:6379, or rediss:// with TLS',
        description:
          'Redis 6.2 or newer, or Valkey. With a password: ${env:TOLLGATE_STORE_URL}. Budgets last as long as what it knows: let ' +
          'it write to disk (appendonly yes) and drop nothing (maxmemory-policy noeviction).'
      }),
      cluster: Type.Boolean({ default: false, description: 'true: the URL is that of a node of a Redis Cluster.' })
    },
    {
      additionalProperties: false,
      description:
        'What several gates share their limits through, and what keeps budgets while gates are restarted. Absent: each gate has ' +
        'limits of its own, and its budgets begin anew with it.'
    }
  )
)

/** Reads the key `store`. @returns null when there is none */
export function storeOptions(yaml: Static<typeof StoreSchema> | undefined): StoreOptions | null {
  return yaml === undefined ? null : { url: yaml.url.replace(/^valkey/, 'redis'), isCluster: yaml.cluster }
}
