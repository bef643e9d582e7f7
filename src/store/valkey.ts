import { createHash } from 'node:crypto'
import { createRequire } from 'node:module'
import type { Cluster, Redis } from 'iovalkey'
import type { Script, ScriptRunner } from '../scripts.ts'
import type { Ms } from '../time.ts'
import { makeStoreClient } from './client.ts'
import { Deadlines } from './deadlines.ts'
import { evictionWarning } from './eviction.ts'
import { faultOfReply, StoreFault } from './faults.ts'
import { type StoreEvents, StoreHealth, type StoreStatus } from './health.ts'
import type { StoreOptions } from './options.ts'

/** The connection of this gate to the store. */
export interface StoreConnection extends ScriptRunner {
  /** How the store is, and why. */
  readonly status: StoreStatus
  /** Begins to connect. */
  open(): void
  /** Ends it when what was sent is answered, or too late. */
  close(): Promise<void>
}

/** What a connection is made with. */
export interface StoreInit {
  /** How long an answer is waited for that a caller waits for. */
  readonly commandMs?: Ms
  readonly backgroundMs?: Ms
  readonly probeMs?: Ms
  /** Without a byte for so long while an answer is missing, the connection is taken for dead. */
  readonly silentMs?: Ms
  readonly events?: StoreEvents
}

const COMMAND_MS: Ms = 50
const BACKGROUND_MS: Ms = 2_000
const GOODBYE_MS: Ms = 500
/** More than the longest answer takes. A peer that is frozen, or cut off, would else keep the connection for minutes. */
const SILENT_MS: Ms = 3_000
const PROBE_MS: Ms = 1_000
/** With every so many probes it is looked where the master is, */
const FOLLOW_EVERY = 2
/** and what the store does when its memory is short. */
const EVICTION_EVERY = 60
/** A refusal that does not come again is over after so long. */
const REFUSED_MS: Ms = 60_000

/** A write, because a store that takes none is of no use. */
const PROBE: Script = {
  name: 'probe_1',
  isBackground: true,
  text: `-- tollgate probe 1
redis.call('SET', KEYS[1], '1', 'PX', 60000)
return 1
`
}
const PROBE_KEYS = ['tollgate:1:{*}:probe']

/** The store gave no answer in time. */
export class StoreLate extends StoreFault {
  constructor(script: string, afterMs: Ms) {
    super(`the store did not answer ${script} within ${afterMs} ms`)
  }
}

/** There is no connection to ask over. */
class StoreAway extends StoreFault {}

/**
 * Makes the connection to the store, which is made again whenever it is lost. Touches no network before it is opened; nothing is
 * queued while there is none, because a call waits for the answer. The library is loaded here and nowhere else.
 *
 * Each second it writes to the store, so that what is wrong shows without a call: a peer that is cut off, a master that has become
 * a replica, a disk that is full. What another server would not have ends the connection, and the next one asks again where to go.
 */
export function connectStore(options: StoreOptions, init: StoreInit = {}): StoreConnection {
  const { commandMs = COMMAND_MS, backgroundMs = BACKGROUND_MS, probeMs = PROBE_MS, silentMs = SILENT_MS } = init
  const { events = QUIET } = init
  const library = createRequire(import.meta.url)('iovalkey') as typeof import('iovalkey')
  const health = new StoreHealth(events)
  const { client, leave, follow } = makeStoreClient(library, options, {
    silentMs,
    // One node of a cluster may be away while the others do what they are asked.
    onFault: fault => (options.isCluster || health.status.state === 'up' ? health.note(fault) : health.failed(fault)),
    onMoved: fault => health.failed(fault)
  })
  const urgent = { afterMs: commandMs, deadlines: new Deadlines(commandMs) }
  const background = { afterMs: backgroundMs, deadlines: new Deadlines(backgroundMs) }
  const digests = new Map<string, string>()
  let clock: NodeJS.Timeout | null = null
  let isProbing = false
  let probes = 0
  let refusedMs = Number.NEGATIVE_INFINITY

  client.on('ready', () => {
    probes = 0
    void probe()
  })
  client.on('close', () => {
    if (health.status.state === 'up') health.lost(new StoreFault('the store has closed the connection'))
  })
  client.on('error', (err: Error) => {
    if (options.isCluster) health.failed(null)
    else if (!(err instanceof StoreFault)) health.note(faultOfStream(err))
  })
  client.on('node error', (err: Error) => {
    const fault = err instanceof library.ReplyError ? faultOfReply(err.message) : null
    if (fault !== null) health.note(fault)
  })

  const digestOf = ({ name, text }: Script) => {
    let digest = digests.get(name)
    if (digest === undefined) {
      digest = createHash('sha1').update(text).digest('hex')
      digests.set(name, digest)
    }
    return digest
  }

  /** In the place of what the library says: why, in plain words. A script's own fault stays what it is. */
  const causeOf = (err: unknown, script: Script): unknown => {
    if (!(err instanceof library.ReplyError)) return new StoreAway(health.reason)
    const { message } = err as Error
    // In a cluster that is a mistake of the script's.
    const fault = options.isCluster && /^(?:CROSSSLOT|MOVED|ASK)\b/.test(message) ? null : faultOfReply(message)
    if (fault === null) return err
    if (fault.isOfServer) {
      health.failed(fault)
      leave()
    } else if (script !== PROBE) {
      refusedMs = performance.now()
      health.warn('refusal', { why: fault.message, fix: fault.fix })
    }
    return fault
  }

  const run: ScriptRunner['run'] = (script, keys, args) => {
    const rest = [keys.length, ...keys, ...args] as const
    const { afterMs, deadlines } = script.isBackground === true ? background : urgent
    const untilMs = performance.now() + afterMs
    const answer = client.evalsha(digestOf(script), ...rest).catch((err: unknown) => {
      // A store that was started anew knows no script, and proxies before one know no digests.
      if (!(err instanceof Error) || !/NOSCRIPT|unknown command/i.test(err.message)) throw causeOf(err, script)
      // What nobody waits for any more must not be drawn behind what settles it.
      if (performance.now() >= untilMs) throw err
      return client.eval(script.text, ...rest).catch((failed: unknown) => {
        throw causeOf(failed, script)
      })
    })
    // One limit for both: a caller waits for it.
    return deadlines.await(answer, () => new StoreLate(script.name, afterMs))
  }

  async function probe(): Promise<void> {
    if (isProbing) return
    isProbing = true
    try {
      await run(PROBE, PROBE_KEYS, [])
      health.answered()
      if (performance.now() - refusedMs > REFUSED_MS) health.warn('refusal', null)
      if (probes % EVICTION_EVERY === 0) void lookAtEviction()
      if (++probes % FOLLOW_EVERY === 0) await follow()
    } catch (err) {
      if (err instanceof StoreAway) {
        // Of a single server the cause is known already.
        if (options.isCluster) health.failed(null)
      } else if (!(err instanceof StoreFault)) {
        health.failed(new StoreFault('the store refuses what it is asked', 'the version and the log of the store'))
      } else if (!err.isOfServer) {
        health.failed(err)
      }
    } finally {
      isProbing = false
    }
  }

  async function lookAtEviction(): Promise<void> {
    const servers = 'nodes' in client ? (client as Cluster).nodes('master') : [client as Redis]
    const found = await evictionWarning(servers, err => err instanceof library.ReplyError)
    if (found !== undefined) health.warn('eviction', found)
  }

  return {
    get status() {
      return health.status
    },
    open() {
      if (clock !== null) return
      clock = setInterval(() => void probe(), probeMs).unref()
      void client.connect().catch(() => {})
    },
    run,
    async close() {
      if (clock !== null) clearInterval(clock)
      const { promise, resolve } = Promise.withResolvers<void>()
      const late = setTimeout(resolve, GOODBYE_MS)
      await Promise.race([client.quit().catch(() => {}), promise])
      clearTimeout(late)
      client.disconnect()
    }
  }
}

const QUIET: StoreEvents = { down() {}, up() {}, warn() {} }

/** Why a connection that was made has ended. */
function faultOfStream(err: Error): StoreFault {
  if (/^Socket timeout/.test(err.message))
    return new StoreFault('the store has stopped answering', 'the store, the network')
  if (/^Protocol error/.test(err.message))
    return new StoreFault('what answers is no Redis', 'the host and port in store')
  return new StoreFault('the connection to the store broke', 'the store, the network')
}
