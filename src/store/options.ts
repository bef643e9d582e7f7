import { type Static, Type } from '../schema-types.ts'

/** Where a server listens. */
export interface StoreServer {
  /** A name or an address, without brackets. */
  readonly host: string
  readonly port: number
}

/** Whom the gateway logs in as. */
export interface StoreLogin {
  /** Null for the default user. */
  readonly username: string | null
  readonly password: string
}

/** TLS to the store: PEM texts. */
export interface StoreTls {
  readonly ca: string | null
  readonly cert: string | null
  readonly key: string | null
  /** The name that the certificate is checked for; null for the host that is connected to. */
  readonly serverName: string | null
}

/** What `store/` needs, from the YAML key `store`. */
export interface StoreOptions {
  /** The servers are nodes of a Redis Cluster. */
  readonly isCluster: boolean
  /** One, or several of a cluster; none where Sentinels name it. */
  readonly servers: readonly StoreServer[]
  readonly sentinel: {
    readonly name: string
    readonly servers: readonly StoreServer[]
    readonly login: StoreLogin | null
    readonly isTls: boolean
  } | null
  readonly login: StoreLogin | null
  readonly database: number
  /** Null for a store without TLS. */
  readonly tls: StoreTls | null
  /** Of the connections to Sentinels: the same files, whether the store itself has TLS or not. */
  readonly files: StoreTls
}

const HOST_PORT = {
  pattern: '^(?:\\[[0-9A-Fa-f:.]+\\]|[A-Za-z0-9._-]+)(?::\\d{1,5})?$',
  expected: 'a host with a port, such as redis-1:6379'
}
const FILE = (description: string) => Type.Optional(Type.String({ minLength: 1, description }))

const SentinelSchema = Type.Object(
  {
    name: Type.String({ minLength: 1, description: 'The name of the master, as the Sentinels know it.' }),
    hosts: Type.Array(Type.String(HOST_PORT), {
      minItems: 1,
      description: 'The Sentinels, with port 26379 unless given. Name all of them: the first that answers is believed.'
    }),
    username: FILE('The user of the Sentinels, where they have users.'),
    password: Type.Optional(
      Type.String({ secret: true, minLength: 1, description: 'The password of the Sentinels, not that of the store.' })
    ),
    tls: Type.Boolean({ default: false, description: 'The Sentinels themselves speak TLS.' })
  },
  { additionalProperties: false, description: 'Redis Sentinel: who is asked where the master is. Instead of `url`.' }
)

/** The YAML key `store`. */
export const StoreSchema = Type.Optional(
  Type.Object(
    {
      url: Type.Optional(
        Type.String({
          secret: true,
          pattern: '^(?:redis|valkey)s?://',
          expected: 'a URL such as redis://store:6379, or rediss:// with TLS',
          description:
            'Redis 6.2 or newer, or Valkey: `redis[s]://[USER:PASSWORD@]HOST[:PORT][/DATABASE]`. With a password: ' +
            '${env:TOLLGATE_STORE_URL}. Budgets last as long as what it knows: let it write to disk (appendonly yes) and ' +
            'drop nothing (maxmemory-policy noeviction).'
        })
      ),
      sentinel: Type.Optional(SentinelSchema),
      cluster: Type.Boolean({ default: false, description: 'true: the URL is that of a node of a Redis Cluster.' }),
      nodes: Type.Optional(
        Type.Array(Type.String(HOST_PORT), {
          minItems: 1,
          description: 'More nodes of the cluster, which are asked for its layout when that of `url` does not answer.'
        })
      ),
      username: FILE('The user of the store, where `url` names none.'),
      password: Type.Optional(
        Type.String({
          secret: true,
          minLength: 1,
          description: 'Its password as it is, without percent-encoding, where `url` has none.'
        })
      ),
      database: Type.Optional(
        Type.Integer({ minimum: 0, maximum: 99, description: 'The number of the database; with `sentinel`.' })
      ),
      tls: Type.Optional(
        Type.Boolean({ description: 'true: the store that the Sentinels name speaks TLS; with `sentinel`.' })
      ),
      ca: FILE('PEM file of the authority that signs the certificates of the store, and of the Sentinels.'),
      cert: FILE("PEM file of the gateway's own certificate, where the store asks for one."),
      key: FILE('PEM file of the private key of `cert`.'),
      server_name: Type.Optional(
        Type.String({
          pattern: '^[A-Za-z0-9._-]+$',
          expected: 'a host name',
          description: 'The name that the certificate is checked for, where it is not the host that is connected to.'
        })
      )
    },
    {
      additionalProperties: false,
      description:
        'What several gates share their limits through, and what keeps budgets while gates are restarted. Absent: each gate has ' +
        'limits of its own, and its budgets begin anew with it.'
    }
  )
)

/** What a URL of a store says. */
export interface StoreUrl {
  readonly server: StoreServer
  readonly isTls: boolean
  readonly login: StoreLogin | null
  readonly database: number
}

/** Why a URL of a store cannot be used, without anything secret of it. */
export interface StoreUrlFault {
  readonly fault: string
  readonly hint: string
}

const DEFAULT_PORT = 6379
const SENTINEL_PORT = 26_379
const SEVERAL = 'for Sentinels write store.sentinel.hosts, for a cluster one node here and the others in store.nodes'

/**
 * Reads `redis[s]://[user:password@]host[:port][/database]`.
 * @returns a fault for anything else: what would be passed over in silence is refused
 */
export function readStoreUrl(text: string): StoreUrl | StoreUrlFault {
  const [, protocol = '', secrets, place = '', rest = ''] =
    /^(\w+):\/\/(?:([^/?#]*)@)?([^/?#@]*)(.*)$/s.exec(text) ?? []
  const isTls = /^(?:rediss|valkeys)$/.test(protocol)
  if (!isTls && !/^(?:redis|valkey)$/.test(protocol))
    return { fault: 'it is no URL of a Redis', hint: 'redis://HOST:6379, or rediss:// with TLS' }
  const database = /^\/?(\d{0,2})$/.exec(rest)?.[1]
  if (database === undefined) {
    return /^\/?\d*[?#]/.test(rest) || /[?#]/.test(rest)
      ? {
          fault: 'a query or a fragment is not read',
          hint: 'leave out what follows "?" or "#"; in a password they are %3F and %23, or write store.password'
        }
      : { fault: 'only the number of a database, 0 to 99, may follow the host', hint: 'in a password "/" is %2F' }
  }
  const count = place.split(',').length
  if (count > 1) return { fault: `it names ${count} servers, and one is allowed`, hint: SEVERAL }
  const server = readStoreServer(place, DEFAULT_PORT)
  // It is not shown: a URL that is written wrongly may have its password there.
  if (server === null)
    return {
      fault: 'it has no host, or no port from 1 to 65535',
      hint: 'redis://HOST:6379, redis://[::1]:6379 for IPv6'
    }
  const login = readLogin(secrets)
  return login !== null && 'fault' in login ? login : { server, isTls, login, database: Number(database || 0) }
}

function readLogin(secrets: string | undefined): StoreLogin | StoreUrlFault | null {
  if (secrets === undefined || secrets === '') return null
  const [, user = '', password] = /^([^:]*)(?::(.*))?$/s.exec(secrets) ?? []
  if (password === undefined || password === '')
    return {
      fault: 'it names a user without a password',
      hint: 'redis://USER:PASSWORD@HOST, or redis://:PASSWORD@HOST'
    }
  try {
    return { username: user === '' ? null : decodeURIComponent(user), password: decodeURIComponent(password) }
  } catch {
    return {
      fault: 'the user or the password is not percent-encoded well',
      hint: 'a "%" in a password is %25; store.password takes it as it is'
    }
  }
}

/** Reads `host[:port]`, with brackets around an IPv6 address. @returns null for anything else */
export function readStoreServer(text: string, otherwise: number): StoreServer | null {
  const [, six, name, digits] = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::(\d{1,5}))?$/.exec(text) ?? []
  const host = six ?? name
  const port = digits === undefined ? otherwise : Number(digits)
  return host === undefined || port < 1 || port > 65_535 ? null : { host, port }
}

/**
 * Reads the key `store`, which has been checked. @param read gives the text of a file beside the configuration
 * @returns null when there is none
 */
export function storeOptions(
  yaml: Static<typeof StoreSchema> | undefined,
  read: (path: string) => string
): StoreOptions | null {
  if (yaml === undefined) return null
  const { url, sentinel, cluster, nodes = [], username, password, database, tls, ca, cert, key, server_name } = yaml
  const readIf = (path: string | undefined) => (path === undefined ? null : read(path))
  const known = url === undefined ? null : readStoreUrl(url)
  if (known !== null && 'fault' in known) throw new TypeError(known.fault)
  const files = { ca: readIf(ca), cert: readIf(cert), key: readIf(key), serverName: server_name ?? null }
  const isTls = known?.isTls ?? tls === true
  return {
    isCluster: cluster,
    servers: known === null ? [] : [known.server, ...serversOf(nodes, DEFAULT_PORT)],
    sentinel:
      sentinel === undefined
        ? null
        : {
            name: sentinel.name,
            servers: serversOf(sentinel.hosts, SENTINEL_PORT),
            login: loginOf(sentinel.username, sentinel.password),
            isTls: sentinel.tls
          },
    login: known?.login ?? loginOf(username, password),
    database: known?.database ?? database ?? 0,
    tls: isTls ? files : null,
    files
  }
}

function serversOf(hosts: readonly string[], port: number): readonly StoreServer[] {
  return hosts.flatMap(host => readStoreServer(host, port) ?? [])
}

function loginOf(username: string | undefined, password: string | undefined): StoreLogin | null {
  return password === undefined ? null : { username: username ?? null, password }
}
