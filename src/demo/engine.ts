import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { parseArgs } from 'node:util'
import { ByteCollector } from '../byte-collector.ts'
import { embeddingOf, wordsFor } from './answers.ts'

/**
 * The engine of the quickstart: OpenAI-compatible, without a model, and it says so in its answers.
 * A program of its own; nothing on the gate's path knows it.
 */
const { values } = parseArgs({ options: { port: { type: 'string', default: '8081' } } })
const MODELS = ['demo-chat', 'demo-embed']
const WORD_GAP_MS = 60
const MAX_BODY_BYTES = 64 * 1024 * 1024

interface Asked {
  readonly model?: unknown
  readonly messages?: unknown
  readonly prompt?: unknown
  readonly input?: unknown
  readonly stream?: unknown
  readonly stream_options?: { readonly include_usage?: unknown }
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

function sendError(response: ServerResponse, status: number, message: string): void {
  sendJson(response, status, { error: { message, type: 'invalid_request_error', param: null, code: status } })
}

async function readJson(request: IncomingMessage): Promise<Asked> {
  const body = new ByteCollector()
  for await (const piece of request as AsyncIterable<Buffer>) {
    if (body.length + piece.length > MAX_BODY_BYTES) throw new Error('too long')
    body.add(piece)
  }
  return JSON.parse(body.take().toString('utf8')) as Asked
}

function complete(asked: Asked, isChat: boolean, response: ServerResponse): void {
  const words = wordsFor(isChat ? asked.messages : asked.prompt)
  const usage = { prompt_tokens: 8, completion_tokens: words.length, total_tokens: 8 + words.length }
  const base = {
    id: `${isChat ? 'chatcmpl' : 'cmpl'}-demo`,
    created: Math.floor(Date.now() / 1000),
    model: asked.model
  }
  if (asked.stream !== true) {
    const text = words.join('')
    const choice = isChat ? { message: { role: 'assistant', content: text } } : { text }
    const object = isChat ? 'chat.completion' : 'text_completion'
    sendJson(response, 200, { ...base, object, choices: [{ index: 0, ...choice, finish_reason: 'stop' }], usage })
    return
  }
  const object = isChat ? 'chat.completion.chunk' : 'text_completion'
  const event = (more: object) => response.write(`data: ${JSON.stringify({ ...base, object, ...more })}\n\n`)
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
  let next = 0
  const clock = setInterval(() => {
    const word = words[next++]
    if (word !== undefined) {
      event({
        choices: [{ index: 0, ...(isChat ? { delta: { content: word } } : { text: word }), finish_reason: null }]
      })
      return
    }
    clearInterval(clock)
    event({ choices: [{ index: 0, ...(isChat ? { delta: {} } : { text: '' }), finish_reason: 'stop' }] })
    if (asked.stream_options?.include_usage === true) event({ choices: [], usage })
    response.end('data: [DONE]\n\n')
  }, WORD_GAP_MS)
  // As an engine stops generating for a caller who has left.
  response.once('close', () => clearInterval(clock))
}

function embed(asked: Asked, response: ServerResponse): void {
  const inputs = Array.isArray(asked.input) ? asked.input : [asked.input]
  const data = inputs.map((input, index) => ({ object: 'embedding', index, embedding: embeddingOf(String(input)) }))
  const usage = { prompt_tokens: inputs.length, total_tokens: inputs.length }
  sendJson(response, 200, { object: 'list', model: asked.model, data, usage })
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const route = `${request.method} ${request.url}`
  if (route === 'GET /health') return void response.end()
  if (route === 'GET /v1/models') {
    return sendJson(response, 200, {
      object: 'list',
      data: MODELS.map(id => ({ id, object: 'model', owned_by: 'demo' }))
    })
  }
  if (!['POST /v1/chat/completions', 'POST /v1/completions', 'POST /v1/embeddings'].includes(route)) {
    return sendError(response, 404, 'Not Found')
  }
  const asked = await readJson(request)
  if (!MODELS.includes(String(asked.model)))
    return sendError(response, 404, `The model ${String(asked.model)} does not exist.`)
  if (route === 'POST /v1/embeddings') embed(asked, response)
  else complete(asked, route === 'POST /v1/chat/completions', response)
}

const server = createServer((request, response) => {
  answer(request, response).catch(() => sendError(response, 400, 'The body cannot be read.'))
})
// The engines' own keep-alive.
server.keepAliveTimeout = 5_000
server.on('error', err => {
  process.stderr.write(`demo engine: ${err.message}\n`)
  process.exit(1)
})
server.listen(Number(values.port), '127.0.0.1', () => process.send?.({ listening: values.port }))

const stop = () => {
  server.closeAllConnections()
  server.close(() => process.exit(0))
}
process.once('SIGTERM', stop)
// Ctrl-C goes to the whole group: the one who started this decides when it ends.
process.on('SIGINT', () => {})
process.once('disconnect', stop)
