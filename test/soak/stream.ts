import { type Agent, request } from 'node:http'

/** One stream, from its request to its end. Times are milliseconds of `performance.now()`. */
export interface Stream {
  readonly id: string | null
  readonly startedAtMs: number
  /** When the head of its answer came. */
  readonly begunAtMs: number | null
  readonly endedAtMs: number
  /** `whole`: with its last event. `told`: with an error event. Else the status of a refusal, `cut`, or what was thrown. */
  readonly end: 'whole' | 'told' | 'cut' | number | string
  /** When a first connection was reset before a byte of an answer; the rest is of the second one. */
  readonly resetAtMs: number | null
}

/** Where streams come from. */
export interface StreamInit {
  readonly port: number
  readonly token: string
  /** Of whoever keeps connections; else each stream has one of its own. */
  readonly agent: Agent | false
  readonly onBegun: () => void
}

/** Reads one stream to its end. One that is reset before a byte of an answer is made once more, as client libraries do. */
export async function openStream(init: StreamInit): Promise<Stream> {
  const stream = await openOnce(init)
  if (stream.end !== 'ECONNRESET') return stream
  return { ...(await openOnce(init)), startedAtMs: stream.startedAtMs, resetAtMs: stream.endedAtMs }
}

function openOnce({ port, token, agent, onBegun }: StreamInit): Promise<Stream> {
  const startedAtMs = performance.now()
  return new Promise(resolve => {
    let id: string | null = null
    let begunAtMs: number | null = null
    let tail = ''
    const done = (end: Stream['end']) =>
      resolve({ id, startedAtMs, begunAtMs, endedAtMs: performance.now(), end, resetAtMs: null })
    const body = '{"model":"m","stream":true,"messages":[{"role":"user","content":"x"}]}'
    const sent = request(
      {
        host: '127.0.0.1',
        port,
        agent,
        method: 'POST',
        path: '/v1/chat/completions',
        headers: {
          authorization: `Bearer ${token}`,
          'content-type': 'application/json',
          'content-length': body.length
        }
      },
      answer => {
        id = String(answer.headers['x-request-id'])
        begunAtMs = performance.now()
        const isStream = answer.statusCode === 200
        if (isStream) onBegun()
        answer.on('data', (piece: Buffer) => {
          tail = (tail + piece.toString('latin1')).slice(-400)
        })
        answer.on('error', () => {})
        answer.once('close', () => {
          if (!isStream) done(answer.statusCode ?? 0)
          else if (answer.complete && tail.endsWith('data: [DONE]\n\n')) done('whole')
          else done(answer.complete && tail.includes('data: {"error":') ? 'told' : 'cut')
        })
      }
    )
    sent.once('error', (err: NodeJS.ErrnoException) => {
      if (id === null) done(err.code ?? err.message)
    })
    sent.end(body)
  })
}
