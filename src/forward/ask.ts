import type { Connections } from './connections.ts'

/** An engine's answer to a question of the gate's own. */
export interface Answer {
  readonly status: number
  readonly body: string
}

const MAX_BYTES = 4 * 1024 * 1024
const TIMEOUT_MS = 5_000

/**
 * Asks an engine something for the gate itself, with GET and the pool's key, over the connections that calls use.
 * @throws when it does not answer within 5 s, or with more than 4 MiB
 */
export async function askEngine(connections: Connections, path: string): Promise<Answer> {
  const { apiKey } = connections.target
  const connection = connections.take()
  let isWhole = false
  try {
    const { statusCode: status, body } = await connection.client.request({
      method: 'GET',
      path,
      headers: apiKey === null ? {} : { authorization: `Bearer ${apiKey}` },
      signal: AbortSignal.timeout(TIMEOUT_MS)
    })
    const pieces: Buffer[] = []
    let bytes = 0
    for await (const piece of body as AsyncIterable<Buffer>) {
      bytes += piece.length
      if (bytes > MAX_BYTES) throw new Error('the answer is too long')
      pieces.push(piece)
    }
    isWhole = true
    return { status, body: Buffer.concat(pieces).toString('utf8') }
  } finally {
    if (isWhole) connections.giveBack(connection)
    else connections.drop(connection)
  }
}
