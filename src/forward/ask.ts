import { ByteCollector } from '../byte-collector.ts'
import type { Ms } from '../time.ts'
import type { Connections } from './connections.ts'

/** An engine's answer to a question of the gate's own. */
export interface Answer {
  readonly status: number
  readonly body: string
}

const MAX_BYTES = 4 * 1024 * 1024
const TIMEOUT_MS: Ms = 5_000

/**
 * Asks an engine something for the gate itself, with GET and the pool's key, over the connections that calls use.
 * @throws DnsError when its name cannot be resolved
 * @throws when it does not answer within 5 s, or with more than 4 MiB
 */
export async function askEngine(connections: Connections, path: string, timeoutMs: Ms = TIMEOUT_MS): Promise<Answer> {
  const { apiKey } = connections.target
  // Apart from the time of the engine: a name server that is slow says nothing of it.
  if (!connections.isResolved) await connections.ready()
  const connection = connections.take()
  let isWhole = false
  // No signal of its own: one that times out lives on, and what it holds outlives every young collection.
  const clock = setTimeout(() => connections.drop(connection), timeoutMs).unref()
  try {
    const { statusCode: status, body } = await connection.client.request({
      method: 'GET',
      path,
      headers: apiKey === null ? {} : { authorization: `Bearer ${apiKey}` }
    })
    const text = new ByteCollector()
    for await (const piece of body as AsyncIterable<Buffer>) {
      if (text.length + piece.length > MAX_BYTES) throw new Error('the answer is too long')
      text.add(piece)
    }
    isWhole = true
    return { status, body: text.take().toString('utf8') }
  } finally {
    clearTimeout(clock)
    if (isWhole) connections.giveBack(connection)
    else connections.drop(connection)
  }
}
