import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What the engine does with a request. */
export type Script =
  /** Answers with what it was asked, as JSON. */
  | { readonly kind: 'echo' }
  | { readonly kind: 'json'; readonly status?: number; readonly body: unknown; readonly delayMs?: number }
  /** Sends events, one write each; then ends, stays silent, or resets. */
  | {
      readonly kind: 'sse'
      readonly events: readonly string[]
      readonly gapMs?: number
      readonly after?: 'end' | 'hang' | 'reset'
    }
  /** Sends bytes for as long as they are taken. */
  | { readonly kind: 'flood' }
  /** Reads the request and never answers. */
  | { readonly kind: 'stall' }
  /** Closes the connection before the answer. */
  | { readonly kind: 'reset' }
  /** Sends bytes that are no HTTP. */
  | { readonly kind: 'garbage' }
  | {
      readonly kind: 'status'
      readonly status: number
      readonly headers?: Record<string, string>
      readonly body?: string
    }

/** A request as the engine saw it. */
export interface Received {
  readonly method: string
  readonly url: string
  readonly rawHeaders: readonly string[]
  readonly body: string
}

/** Something that happened at the engine, and when by the wall clock. */
export interface EngineEvent {
  readonly kind: 'request' | 'end' | 'abort'
  readonly atMs: number
}

const options = JSON.parse(process.env.ENGINE ?? '{}') as { models?: string[]; requireKey?: string }
const received: Received[] = []
const state: { script: Script; connections: number } = { script: { kind: 'echo' }, connections: 0 }

// The tests' process may have gone in the meantime: with a callback, that is no uncaught error.
const report = (message: object) => {
  if (process.connected) process.send?.(message, undefined, undefined, () => {})
}
const tell = (kind: EngineEvent['kind']) => report({ kind, atMs: Date.now() })

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

function answer(request: IncomingMessage, response: ServerResponse, seen: Received): void {
  const { script } = state
  switch (script.kind) {
    case 'echo':
      sendJson(response, 200, seen)
      return
    case 'json':
      setTimeout(() => sendJson(response, script.status ?? 200, script.body), script.delayMs ?? 0)
      return
    case 'sse': {
      // vLLM sends its headers as soon as the request is found valid, before the first token.
      response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
      response.flushHeaders()
      const events = [...script.events]
      const next = () => {
        if (response.destroyed) return
        const event = events.shift()
        if (event !== undefined) {
          response.write(event)
          setTimeout(next, script.gapMs ?? 0)
        } else if (script.after === 'reset') request.socket.resetAndDestroy()
        else if (script.after !== 'hang') response.end()
      }
      next()
      return
    }
    case 'flood': {
      response.writeHead(200, { 'content-type': 'application/octet-stream' })
      const piece = Buffer.alloc(256 * 1024, 'x')
      const more = () => {
        while (!response.destroyed && response.write(piece));
      }
      response.on('drain', more)
      more()
      return
    }
    case 'stall':
      return
    case 'reset':
      request.socket.resetAndDestroy()
      return
    case 'garbage':
      request.socket.end('220 mail.example.com ready\r\n')
      return
    case 'status':
      response.writeHead(script.status, script.headers).end(script.body ?? '')
  }
}

const server = createServer((request, response) => {
  response.setHeader('server', 'uvicorn')
  const key = request.headers.authorization
  if (options.requireKey !== undefined && key !== `Bearer ${options.requireKey}`) {
    sendJson(response, 401, { error: 'Unauthorized' })
    return
  }
  if (request.url === '/v1/models') {
    sendJson(response, 200, {
      object: 'list',
      data: (options.models ?? ['m']).map(id => ({ id, root: '/weights' }))
    })
    return
  }
  const pieces: Buffer[] = []
  request.on('data', piece => pieces.push(piece))
  request.once('end', () => {
    const seen: Received = {
      method: request.method ?? '',
      // ASGI servers route on the decoded path.
      url: decodeURIComponent(request.url ?? ''),
      rawHeaders: request.rawHeaders,
      body: Buffer.concat(pieces).toString('utf8')
    }
    received.push(seen)
    tell('request')
    response.once('close', () => tell(response.writableFinished ? 'end' : 'abort'))
    answer(request, response, seen)
  })
})
server.keepAliveTimeout = 5_000
server.on('connection', socket => {
  state.connections++
  socket.once('close', () => state.connections--)
})
server.listen(0, '127.0.0.1', () => {
  report({ hello: (server.address() as AddressInfo).port })
})

process.on('message', ({ id, verb, argument }: { id: number; verb: string; argument: unknown }) => {
  if (verb === 'script') state.script = argument as Script
  const value = verb === 'requests' ? received : verb === 'connections' ? state.connections : null
  report({ id, value })
})
process.on('disconnect', () => process.exit(0))
