import { Socket } from 'node:net'
import type { Cluster, Redis, RedisOptions } from 'iovalkey'
import type { Ms } from '../time.ts'
import { type Dialing, dial } from './dial.ts'
import { StoreFault } from './faults.ts'
import type { StoreOptions, StoreServer } from './options.ts'
import { masterOf } from './sentinel.ts'

type Library = typeof import('iovalkey')

/** What is made of the options: the library's client, and where it leads. */
export interface StoreClient {
  readonly client: Redis | Cluster
  /** Leaves a server that is at fault for the one that is named now. */
  leave(): void
  /** Where Sentinels name another master than the one that is connected, leaves that one. */
  follow(): Promise<void>
}

/** What a client is made with. */
export interface StoreClientInit {
  readonly silentMs: Ms
  /** Told of each connection that does not come about. */
  readonly onFault: (fault: StoreFault) => void
  /** The connection is left, though nothing is wrong with it. */
  readonly onMoved: (fault: StoreFault) => void
}

const CONNECT_MS: Ms = 1_000
const RECONNECT_MS: Ms = 500
const REFRESH_MS: Ms = 2_000
const MAX_REDIRECTIONS = 4

const NODE = {
  lazyConnect: true,
  maxRetriesPerRequest: 0,
  autoResendUnfulfilledCommands: false,
  // It asks how the store is before anything else may be asked. A store that loads its data says so to every script.
  enableReadyCheck: false
} as const satisfies RedisOptions

/**
 * Makes the client that connects again whenever it has lost the store. Connections are made and logged in here, not by the
 * library: it would turn names into addresses before TLS checks them, and write to the console.
 */
export function makeStoreClient(
  library: Library,
  options: StoreOptions,
  { silentMs, onFault, onMoved }: StoreClientInit
): StoreClient {
  const { sentinel, servers, isCluster, tls, login, database, files } = options
  const how: Dialing = { tls, login, database, timeoutMs: CONNECT_MS }
  const toSentinel = { ...how, tls: sentinel?.isTls ? files : null, login: sentinel?.login ?? null, database: 0 }
  let sentinels = sentinel?.servers ?? []
  let master: StoreServer | null = null

  /** Another Sentinel comes first the next time: the first may be cut off from the others, and name a master of before. */
  async function findMaster(): Promise<StoreServer> {
    const found = await masterOf(sentinels, sentinel?.name ?? '', toSentinel)
    sentinels = [...sentinels.slice(1), ...sentinels.slice(0, 1)]
    return found
  }

  const Connector = connectorOf(library, async own => {
    try {
      master = sentinel === null ? own : await findMaster()
      return (await dial(master, how)).socket
    } catch (err) {
      if (err instanceof StoreFault) onFault(err)
      throw err
    }
  })
  const [first = { host: '', port: 0 }] = servers
  const node = { ...NODE, Connector, socketTimeout: silentMs }
  if (isCluster) {
    const cluster = new library.Cluster([...servers], {
      lazyConnect: true,
      enableOfflineQueue: false,
      enableReadyCheck: false,
      clusterRetryStrategy: () => RECONNECT_MS,
      slotsRefreshInterval: REFRESH_MS,
      // What nobody waits for any more must not be sent again: only where a bucket has moved to is followed.
      retryDelayOnClusterDown: 0,
      retryDelayOnFailover: 0,
      maxRedirections: MAX_REDIRECTIONS,
      // Names stay names: certificates are for names.
      dnsLookup: (name, callback) => callback(null, name),
      redisOptions: node
    })
    return { client: cluster, leave: () => cluster.refreshSlotsCache(), follow: async () => {} }
  }
  const single = new library.Redis({
    ...node,
    host: first.host,
    port: first.port,
    enableOfflineQueue: false,
    retryStrategy: () => RECONNECT_MS
  })
  const leave = () => {
    if (single.status === 'ready') single.disconnect(true)
  }
  return {
    client: single,
    leave,
    async follow() {
      if (sentinel === null || single.status !== 'ready') return
      const isOther = (named: StoreServer | null) =>
        named !== null && master !== null && (named.host !== master.host || named.port !== master.port)
      // Two have to say so: one Sentinel alone may be the one that is cut off.
      for (let i = 0; i < 2; i++) if (!isOther(await findMaster().catch(() => null))) return
      onMoved(new StoreFault('the Sentinels name another master'))
      leave()
    }
  }
}

/** What the library connects with: whatever `open` brings is used as it is. */
function connectorOf({ AbstractConnector }: Library, open: (own: StoreServer) => Promise<Socket>) {
  return class extends AbstractConnector {
    readonly #own: StoreServer

    constructor(options: unknown) {
      super(0)
      this.#own = options as StoreServer
    }

    override async connect(): Promise<Socket> {
      this.connecting = true
      try {
        const socket = await open(this.#own)
        if (this.connecting) {
          this.stream = socket
          return socket
        }
        socket.destroy()
      } catch (err) {
        // The library tries again after a socket that is closed, and never after an error.
        this.firstError = err as Error
        if (this.connecting) return new Socket().destroy()
      }
      throw new Error('the connection is not wanted any more')
    }

    /** At once: a peer that is frozen never ends its side. */
    override disconnect(): void {
      this.connecting = false
      this.stream?.destroy()
    }
  }
}
