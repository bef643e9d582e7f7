import type { IncomingHttpHeaders } from 'node:http'
import { GateError } from '../errors.ts'
import type { Target } from '../exchange.ts'
import { Bag, type Placed } from './bag.ts'
import { Connections } from './connections.ts'
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
  converse(init: Omit<SessionInit, 'target' | 'inFlight' | 'maxMessageBytes'>): void
  /** Reads the names of `GET /v1/models` of a target. Rejects on any other answer than a list. */
  fetchModels(origin: string): Promise<readonly string[]>
  /** Calls in flight. */
  readonly inFlight: number
  /** Ends idle connections; with `cut`, the calls in flight too. */
  close(options?: { cut: boolean }): void
}

/** Opens the transport. No connection is made before a request asks for one. */
export function createTransport(options: ForwardOptions): Transport {
  const all = options.targets.map(target => new Connections(target))
  const byPool = new Map<string, Map<string, Connections>>()
  for (const connections of all) {
    const { pool, origin } = connections.target
    const byOrigin = byPool.get(pool) ?? new Map<string, Connections>()
    byPool.set(pool, byOrigin.set(origin, connections))
  }
  const inFlight = new Bag<Placed & { shutDown(): void }>()
  const connectionsTo = ({ pool, origin }: Target): Connections => {
    const connections = byPool.get(pool)?.get(origin)
    if (connections === undefined) throw new GateError('TOLLGATE_INTERNAL', { target: origin })
    return connections
  }

  return {
    get inFlight() {
      return inFlight.size
    },
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
      const { target } = connectionsTo(init.exchange.target)
      new Session({ ...init, target, inFlight, maxMessageBytes: options.maxMessageBytes })
    },
    async fetchModels(origin) {
      const connections = all.find(({ target }) => target.origin === origin)
      if (connections === undefined) throw new TypeError('not a configured target')
      return await fetchModelNames(connections)
    },
    close({ cut } = { cut: false }) {
      for (const connections of all) connections.close()
      if (cut) for (const call of inFlight.all()) call.shutDown()
    }
  }
}

const MAX_MODELS_BYTES = 1024 * 1024
const MODELS_TIMEOUT_MS = 5_000

async function fetchModelNames(connections: Connections): Promise<readonly string[]> {
  const { apiKey } = connections.target
  const connection = connections.take()
  let isWhole = false
  try {
    const { statusCode, body } = await connection.client.request({
      method: 'GET',
      path: '/v1/models',
      headers: apiKey === null ? {} : { authorization: `Bearer ${apiKey}` },
      signal: AbortSignal.timeout(MODELS_TIMEOUT_MS)
    })
    const pieces: Buffer[] = []
    let bytes = 0
    for await (const piece of body as AsyncIterable<Buffer>) {
      bytes += piece.length
      if (bytes > MAX_MODELS_BYTES) throw new Error('the list of models is too long')
      pieces.push(piece)
    }
    isWhole = true
    if (statusCode !== 200) throw new Error(`status ${statusCode}`)
    return namesOf(JSON.parse(Buffer.concat(pieces).toString('utf8')))
  } finally {
    if (isWhole) connections.giveBack(connection)
    else connections.drop(connection)
  }
}

function namesOf(answer: unknown): readonly string[] {
  const data = typeof answer === 'object' && answer !== null && 'data' in answer ? answer.data : null
  if (!Array.isArray(data)) throw new Error('no list of models')
  return data.flatMap((item: unknown) =>
    typeof item === 'object' && item !== null && 'id' in item && typeof item.id === 'string' ? [item.id] : []
  )
}
