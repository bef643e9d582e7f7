import { Agent, type IncomingMessage, request } from 'node:http'

/** What a plain client got. */
export interface PlainAnswer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly text: string
}

/** A client that sends paths as they are: `fetch` would tidy dots and slashes up. */
export interface PlainHttp {
  ask(
    method: string,
    path: string,
    init: { readonly headers: Record<string, string>; readonly body?: string }
  ): Promise<PlainAnswer>
  close(): void
}

/** Opens a client with a few connections to a port of loopback. */
export function plainHttp(port: number): PlainHttp {
  const agent = new Agent({ keepAlive: true, maxSockets: 8 })
  return {
    ask: (method, path, { headers, body }) =>
      new Promise((resolve, reject) => {
        const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }
        const sent = request(
          { host: '127.0.0.1', port, agent, method, path, headers: { ...headers, ...length } },
          answer => {
            let text = ''
            answer.setEncoding('utf8')
            answer.on('data', piece => {
              text += piece
            })
            answer.once('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text }))
            answer.once('error', reject)
          }
        )
        sent.once('error', reject)
        sent.end(body)
      }),
    close: () => agent.destroy()
  }
}
