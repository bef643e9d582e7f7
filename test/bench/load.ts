import { connect } from 'node:net'

/** What a load run measured. */
export interface LoadResult {
  readonly units: number
  readonly p50Ms: number
  readonly p99Ms: number
}

const END = Buffer.from('0\r\n\r\n')

/** A picture in base64 makes up the length, as it does in long bodies. */
function messagesOf(bodyBytes: number): object[] {
  if (bodyBytes === 0) return [{ role: 'user', content: 'z'.repeat(230) }]
  const url = `data:image/png;base64,${'iVBORw0K'.repeat(Math.ceil(bodyBytes / 8))}`
  return [
    {
      role: 'user',
      content: [
        { type: 'text', text: 'what is it?' },
        { type: 'image_url', image_url: { url } }
      ]
    }
  ]
}

function requestBytes(token: string, isStream: boolean, bodyBytes = 0): Buffer {
  const body = JSON.stringify({ model: 'm', stream: isStream, messages: messagesOf(bodyBytes) })
  return Buffer.from(
    `POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  )
}

/** Sends calls one after the other on each of several connections, and takes the time of each. */
export async function loadRequests(
  port: number,
  token: string,
  of: { connections: number; requests: number; bodyBytes?: number }
): Promise<LoadResult> {
  const bytes = requestBytes(token, false, of.bodyBytes)
  const times: number[] = []
  let left = of.requests
  const one = () =>
    new Promise<void>((resolve, reject) => {
      const socket = connect(port, '127.0.0.1')
      socket.setNoDelay(true)
      let sentAt = 0
      let expected = -1
      let got = 0
      const send = () => {
        if (left-- <= 0) {
          socket.end()
          resolve()
          return
        }
        expected = -1
        got = 0
        sentAt = performance.now()
        socket.write(bytes)
      }
      socket.once('connect', send)
      socket.once('error', reject)
      socket.on('data', piece => {
        got += piece.length
        if (expected === -1) {
          const head = piece.indexOf('\r\n\r\n')
          const text = piece.toString('latin1', 0, head)
          if (!text.startsWith('HTTP/1.1 200')) return reject(new Error(piece.toString('utf8')))
          expected = head + 4 + Number(/content-length: (\d+)/i.exec(text)?.[1])
        }
        if (got >= expected) {
          times.push(performance.now() - sentAt)
          send()
        }
      })
    })
  await Promise.all(Array.from({ length: of.connections }, one))
  return summary(times, times.length)
}

/** Opens streams at once, reads them to their end, counts events, and takes the time to each first one. */
export async function loadStreams(
  port: number,
  token: string,
  of: { streams: number; events: number }
): Promise<LoadResult> {
  const bytes = requestBytes(token, true)
  const times: number[] = []
  const one = () =>
    new Promise<void>((resolve, reject) => {
      const socket = connect(port, '127.0.0.1')
      let sentAt = 0
      let hasBody = false
      socket.once('connect', () => {
        sentAt = performance.now()
        socket.write(bytes)
      })
      socket.once('error', reject)
      socket.on('data', piece => {
        if (!hasBody && piece.includes('data: ')) {
          hasBody = true
          times.push(performance.now() - sentAt)
        }
        if (piece.subarray(-5).equals(END)) {
          socket.end()
          resolve()
        }
      })
    })
  await Promise.all(Array.from({ length: of.streams }, one))
  return summary(times, of.streams * of.events)
}

function summary(times: number[], units: number): LoadResult {
  times.sort((a, b) => a - b)
  const at = (share: number) => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0
  return { units, p50Ms: at(0.5), p99Ms: at(0.99) }
}
