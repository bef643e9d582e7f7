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
  /** Answers with what it was asked, when it is released. */
  | { readonly kind: 'held' }
  /**
   * Generates as a real one does: a chat in one piece, or as a stream of so many events and `[DONE]`. With `isHeld`, a stream
   * waits behind its first event until it is released.
   */
  | { readonly kind: 'serve'; readonly events: number; readonly gapMs?: number; readonly isHeld?: boolean }
  /** Sends bytes as they are, in place of an answer; then closes, resets, stays silent, or sends more bytes later. */
  | {
      readonly kind: 'raw'
      readonly bytes: string
      readonly after: 'close' | 'reset' | 'hang'
      readonly later?: string
      /** How long it waits with what comes after the first bytes. */
      readonly gapMs?: number
    }
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

/**
 * Something that happened at the engine, and when by the wall clock. `probe`: it was asked for its health or its load.
 * `later`: it has sent what comes later, and how long it really waited with it.
 */
export interface EngineEvent {
  readonly kind: 'request' | 'end' | 'abort' | 'probe' | 'later'
  readonly atMs: number
  readonly gapMs?: number
}

/** How an engine is started. */
export interface EngineOptions {
  readonly models?: readonly string[]
  readonly requireKey?: string
  /** A free one unless given. */
  readonly port?: number
  /** How many connections may wait that it has not taken yet. */
  readonly backlog?: number
  /** What requests get until it is told otherwise. */
  readonly script?: Script
  /** What it says of its work, in the words of vLLM; nothing unless given. */
  readonly load?: { readonly running: number; readonly waiting: number; readonly cacheUse: number }
}

const options = JSON.parse(process.env.ENGINE ?? '{}') as EngineOptions
const received: Received[] = []
const state: { script: Script; connections: number; load: EngineOptions['load'] } = {
  script: options.script ?? { kind: 'echo' },
  connections: 0,
  load: options.load
}
const held = new Set<() => void>()

// The tests' process may have gone in the meantime: with a callback, that is no uncaught error.
const report = (message: object) => {
  if (process.connected) process.send?.(message, undefined, undefined, () => {})
}
const tell = (kind: EngineEvent['kind'], more = {}) => report({ kind, atMs: Date.now(), ...more })

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

/** What vLLM answers without a key: whether it is well, and what it has to do. */
function probeAnswer(url: string): string | null {
  if (url === '/health' || url === '/ping') return ''
  if (url === '/v1/loads?include=core') return '{"loads":[]}'
  if (url !== '/metrics') return null
  const { load } = state
  if (load === undefined) return ''
  return [
    `vllm:num_requests_running{model_name="m"} ${load.running}`,
    `vllm:num_requests_waiting{model_name="m"} ${load.waiting}`,
    `vllm:kv_cache_usage_perc{model_name="m"} ${load.cacheUse}`
  ].join('\n')
}

/** Chunks of a chat, of which the first says that the answer has begun. */
const chunkOf = (more: object) =>
  `data: ${JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'm', ...more })}\n\n`
const wordOf = (content: string) => chunkOf({ choices: [{ index: 0, delta: { content }, finish_reason: null }] })
/** The whole answer of `serve` to a call that is no stream. */
const COMPLETION = {
  id: 'chatcmpl-1',
  object: 'chat.completion',
  created: 1,
  model: 'm',
  choices: [{ index: 0, message: { role: 'assistant', content: 'a whole answer' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 3, completion_tokens: 3, total_tokens: 6 }
}

/** Has something done at the next release, or not at all when the caller has gone. */
function hold(response: ServerResponse, go: () => void): void {
  held.add(go)
  response.once('close', () => held.delete(go))
}

function serve(response: ServerResponse, seen: Received, script: Extract<Script, { kind: 'serve' }>): void {
  if (!/"stream": ?true/.test(seen.body)) {
    sendJson(response, 200, COMPLETION)
    return
  }
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
  response.flushHeaders()
  let count = 0
  const next = () => {
    if (response.destroyed) return
    if (count === script.events) {
      response.end('data: [DONE]\n\n')
      return
    }
    response.write(wordOf(`${count++} `))
    if (count === 1 && script.isHeld === true) hold(response, next)
    else if ((script.gapMs ?? 0) === 0) next()
    else setTimeout(next, script.gapMs)
  }
  next()
}

function sendRaw({ socket }: IncomingMessage, script: Extract<Script, { kind: 'raw' }>): void {
  const end = () => {
    if (script.after === 'close') socket.end()
    else if (script.after === 'reset') socket.resetAndDestroy()
  }
  const beganMs = performance.now()
  // When the first bytes have left and the other side has had a moment to read them.
  socket.write(script.bytes, 'latin1', () => {
    setTimeout(() => {
      if (script.later === undefined) end()
      else {
        socket.write(script.later, 'latin1', end)
        tell('later', { gapMs: performance.now() - beganMs })
      }
    }, script.gapMs ?? 20)
  })
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
    case 'held':
      hold(response, () => sendJson(response, 200, seen))
      return
    case 'serve':
      serve(response, seen, script)
      return
    case 'raw':
      sendRaw(request, script)
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
  const probed = probeAnswer(request.url ?? '')
  if (probed !== null) {
    response.end(probed)
    response.once('finish', () => tell('probe'))
    return
  }
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
server.listen({ port: options.port ?? 0, host: '127.0.0.1', backlog: options.backlog ?? 511 }, () => {
  report({ hello: (server.address() as AddressInfo).port })
})

process.on('message', ({ id, verb, argument }: { id: number; verb: string; argument: unknown }) => {
  if (verb === 'script') state.script = argument as Script
  if (verb === 'load') state.load = argument as EngineOptions['load']
  if (verb === 'release') {
    for (const go of held) go()
    held.clear()
  }
  const value = verb === 'requests' ? received : verb === 'connections' ? state.connections : null
  report({ id, value })
})
process.on('disconnect', () => process.exit(0))
