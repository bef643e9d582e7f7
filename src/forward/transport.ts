import type { IncomingHttpHeaders } from 'node:http'
import { isIP } from 'node:net'
import { isDeepStrictEqual } from 'node:util'
import { targetName } from '../engines/target.ts'
import { GateError } from '../errors.ts'
import type { Exchange, Target } from '../exchange.ts'
import type { ResolvedName } from '../resolve/names.ts'
import type { Ms } from '../time.ts'
import { type Answer, askEngine } from './ask.ts'
import { Bag, type Placed } from './bag.ts'
import { Connections, createResting } from './connections.ts'
import type { ConnectorInit } from './connector.ts'
import { failureFrom } from './failures.ts'
import { requestHeaders } from './headers.ts'
import type { ForwardOptions } from './options.ts'
import { Relay, type RelayInit } from './relay.ts'
import { Session, type SessionInit } from './session.ts'

/** Owns every connection to every target. */
export interface Transport {
  /**
   * Carries the exchange's call to its target and the answer back to the response.
   * @throws TOLLGATE_INTERNAL when the target is not of the configuration
   */
  relay(init: Omit<RelayInit, 'connections' | 'inFlight' | 'heartbeatMs'>, caller: IncomingHttpHeaders): void
  /**
   * Carries the exchange's call as a WebSocket.
   * @throws TOLLGATE_INTERNAL when the target is not of the configuration
   */
  converse(init: Omit<SessionInit, 'connections' | 'inFlight' | 'maxMessageBytes'>): void
  /**
   * Asks a target something for the gate itself, with GET.
   * @throws (rejects with) a GateError of `forward` when it does not answer in time
   */
  ask(target: Target, path: string): Promise<Answer>
  /** Reads the names of `GET /v1/models` of a target. Rejects on any other answer than a list. */
  fetchModels(origin: string): Promise<readonly string[]>
  /** Whether it is known where the name of a target leads. */
  isResolved(target: Target): boolean
  /** Where the names of all targets lead, those of addresses apart. */
  names(): readonly UpstreamName[]
  /** Follows a configuration. Targets that did not change keep their connections. */
  follow(options: ForwardOptions): void
  /** Calls in flight. */
  readonly inFlight: number
  /** Connections that the next calls may use at once. */
  readonly idle: number
  /** The exchanges of those calls, in no order. */
  calls(): readonly Exchange[]
  /** Ends the calls in flight for which there is an error. @returns how many */
  cut(errorOf: (exchange: Exchange) => GateError | null): number
  /** Ends idle connections; with `cut`, the calls in flight too. */
  close(options?: { cut: boolean }): void
}

/** Where the name of a target leads. */
export interface UpstreamName {
  readonly pool: string
  readonly origin: string
  /** Null: that is not known. */
  readonly addresses: readonly string[] | null
  /** Why the name could not be resolved the last time, or null. */
  readonly fault: string | null
}

/** A call in flight, as the relay and the session are. */
interface Running extends Placed {
  readonly exchange: Exchange
  shutDown(error?: GateError): void
}

/** So many addresses of a name are asked in turn for its models. */
const MAX_ASKED = 4
/** Longer than any call waits before it goes out. */
const RETIRED_MS: Ms = 3_600_000

/** Opens the transport. No connection is made before a request asks for one. */
export function createTransport(first: ForwardOptions, init: ConnectorInit = {}): Transport {
  let options = first
  let all: readonly Connections[] = []
  let byPool = new Map<string, Map<string, Connections>>()
  // Calls that were on their way to a target when it went, from a queue for example, still go there.
  let retired: { readonly connections: Connections; readonly atMs: Ms }[] = []
  const resting = createResting()
  const inFlight = new Bag<Running>()
  const connectionsTo = ({ pool, ...at }: Target): Connections => {
    const name = targetName(at)
    const connections =
      byPool.get(pool)?.get(name) ??
      retired.findLast(({ connections: { target } }) => target.pool === pool && targetName(target) === name)
        ?.connections
    if (connections === undefined) throw new GateError('TOLLGATE_INTERNAL', { target: name })
    return connections
  }

  const follow = (next: ForwardOptions) => {
    const before = all
    options = next
    all = next.targets.map(
      target => before.find(known => isDeepStrictEqual(known.target, target)) ?? new Connections(target, resting, init)
    )
    byPool = new Map()
    for (const connections of all) {
      const { pool } = connections.target
      const byOrigin = byPool.get(pool) ?? new Map<string, Connections>()
      byPool.set(pool, byOrigin.set(targetName(connections.target), connections))
    }
    const nowMs = performance.now()
    retired = retired.filter(({ atMs }) => nowMs - atMs < RETIRED_MS)
    for (const connections of before) {
      if (all.includes(connections)) continue
      connections.close()
      retired.push({ connections, atMs: nowMs })
    }
  }
  follow(first)

  return {
    follow,
    get inFlight() {
      return inFlight.size
    },
    get idle() {
      return all.reduce((sum, { idle }) => sum + idle, 0)
    },
    calls: () => inFlight.all().map(({ exchange }) => exchange),
    relay(init, caller) {
      const { call, target, id, outgoing } = init.exchange
      const connections = connectionsTo(target)
      const relay = new Relay({ ...init, connections, inFlight, heartbeatMs: options.heartbeatMs })
      relay.send({
        method: call.method,
        path: call.path,
        headers: requestHeaders({
          caller,
          requestId: id,
          path: call.path,
          contentType: outgoing?.type ?? null,
          apiKey: connections.target.apiKey
        }),
        body: outgoing?.bytes ?? null
      })
    },
    converse(init) {
      const connections = connectionsTo(init.exchange.target)
      new Session({ ...init, connections, inFlight, maxMessageBytes: options.maxMessageBytes })
    },
    isResolved: target => connectionsTo(target).isResolved,
    names: () =>
      all.flatMap(({ target: { pool, origin }, name }) =>
        isIP(name.host) === 0 ? [upstreamName(pool, origin, name)] : []
      ),
    async ask(target, path) {
      try {
        return await askEngine(connectionsTo(target), path)
      } catch (cause) {
        throw failureFrom(cause, { pool: target.pool, origin: target.origin, wasSent: false })
      }
    },
    async fetchModels(origin) {
      // Addresses of one name serve the same: the first that answers is enough.
      const several = all.filter(({ target }) => target.origin === origin)
      if (several.length === 0) throw new TypeError('not a configured target')
      const { status, body } = await firstOf(several.slice(0, MAX_ASKED), one => askEngine(one, '/v1/models'))
      if (status !== 200) throw new Error(`status ${status}`)
      return namesOf(JSON.parse(body))
    },
    cut(errorOf) {
      let count = 0
      for (const call of inFlight.all()) {
        const error = errorOf(call.exchange)
        if (error === null) continue
        call.shutDown(error)
        count++
      }
      return count
    },
    close({ cut } = { cut: false }) {
      for (const connections of all) connections.close()
      if (cut) for (const call of inFlight.all()) call.shutDown()
    }
  }
}

async function firstOf<T, R>(all: readonly T[], ask: (one: T) => Promise<R>): Promise<R> {
  for (const one of all.slice(0, -1)) {
    try {
      return await ask(one)
    } catch {
      // The next one may know.
    }
  }
  return await ask(all.at(-1) as T)
}

function upstreamName(pool: string, origin: string, { addresses, fault }: ResolvedName): UpstreamName {
  return {
    pool,
    origin,
    addresses: addresses?.map(({ address }) => address) ?? null,
    fault: fault === null ? null : `${fault.code}: ${fault.message}`
  }
}

function namesOf(answer: unknown): readonly string[] {
  const data = typeof answer === 'object' && answer !== null && 'data' in answer ? answer.data : null
  if (!Array.isArray(data)) throw new Error('no list of models')
  return data.flatMap((item: unknown) =>
    typeof item === 'object' && item !== null && 'id' in item && typeof item.id === 'string' ? [item.id] : []
  )
}
