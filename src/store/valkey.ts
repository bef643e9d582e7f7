import { createHash } from 'node:crypto'
import { createRequire } from 'node:module'
import type { Cluster, RedisOptions } from 'iovalkey'
import type { Script, ScriptRunner } from '../scripts.ts'
import type { Ms } from '../time.ts'
import { Deadlines } from './deadlines.ts'
import type { StoreOptions } from './options.ts'

/** The connection of this gate to the store. */
export interface StoreConnection extends ScriptRunner {
  /** Begins to connect. */
  open(): void
  /** Ends it when what was sent is answered, or too late. */
  close(): Promise<void>
}

const CONNECT_MS: Ms = 500
const COMMAND_MS: Ms = 50
const BACKGROUND_MS: Ms = 2_000
const RECONNECT_MS: Ms = 500
const GOODBYE_MS: Ms = 500

const NODE = {
  connectionName: 'tollgate',
  lazyConnect: true,
  connectTimeout: CONNECT_MS,
  reconnectOnError: null,
  maxRetriesPerRequest: 0,
  autoResendUnfulfilledCommands: false,
  // It asks how the store is before anything else may be asked. A store that loads its data says so to every script.
  enableReadyCheck: false
} as const satisfies RedisOptions

const ALONE = { retryStrategy: () => RECONNECT_MS, enableOfflineQueue: false } as const

/** The store gave no answer in time. */
export class StoreLate extends Error {
  constructor(script: string, afterMs: Ms) {
    super(`the store did not answer ${script} within ${afterMs} ms`)
  }
}

/**
 * Makes the connection to the store, which is made again whenever it is lost. Touches no network before it is opened; nothing is
 * queued while there is none, because a call waits for the answer. The library is loaded here and nowhere else.
 *
 * @param commandMs how long an answer is waited for that a caller waits for
 */
export function connectStore(
  { url, isCluster }: StoreOptions,
  { commandMs = COMMAND_MS, backgroundMs = BACKGROUND_MS } = {}
): StoreConnection {
  const library = createRequire(import.meta.url)('iovalkey') as typeof import('iovalkey')
  const client = isCluster ? clusterAt(library, url) : new library.Redis(url, { ...NODE, ...ALONE })
  // Each command tells of its own failure; without a listener the library writes to the console.
  client.on('error', () => {})
  const urgent = { afterMs: commandMs, deadlines: new Deadlines(commandMs) }
  const background = { afterMs: backgroundMs, deadlines: new Deadlines(backgroundMs) }
  const digests = new Map<string, string>()

  const digestOf = ({ name, text }: Script) => {
    let digest = digests.get(name)
    if (digest === undefined) {
      digest = createHash('sha1').update(text).digest('hex')
      digests.set(name, digest)
    }
    return digest
  }

  return {
    open: () => void client.connect().catch(() => {}),
    run(script, keys, args) {
      const rest = [keys.length, ...keys, ...args] as const
      const { afterMs, deadlines } = script.isBackground === true ? background : urgent
      const untilMs = performance.now() + afterMs
      const answer = client.evalsha(digestOf(script), ...rest).catch((err: unknown) => {
        // A store that was started anew knows no script, and proxies before one know no digests.
        if (!(err instanceof Error) || !/NOSCRIPT|unknown command/i.test(err.message)) throw err
        // What nobody waits for any more must not be drawn behind what settles it.
        if (performance.now() >= untilMs) throw err
        return client.eval(script.text, ...rest)
      })
      // One limit for both: a caller waits for it.
      return deadlines.await(answer, () => new StoreLate(script.name, afterMs))
    },
    async close() {
      const { promise, resolve } = Promise.withResolvers<void>()
      const clock = setTimeout(resolve, GOODBYE_MS)
      await Promise.race([client.quit().catch(() => {}), promise])
      clearTimeout(clock)
      client.disconnect()
    }
  }
}

/** Where the nodes of a cluster are they say themselves; who asks is the same for all of them. */
function clusterAt({ Cluster }: typeof import('iovalkey'), url: string): Cluster {
  const { hostname, port, username, password, protocol } = new URL(url)
  return new Cluster([{ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 6379) }], {
    lazyConnect: true,
    enableOfflineQueue: false,
    enableReadyCheck: false,
    clusterRetryStrategy: () => RECONNECT_MS,
    redisOptions: {
      ...NODE,
      ...(username === '' ? {} : { username: decodeURIComponent(username) }),
      ...(password === '' ? {} : { password: decodeURIComponent(password) }),
      ...(protocol === 'rediss:' ? { tls: {} } : {})
    }
  })
}
