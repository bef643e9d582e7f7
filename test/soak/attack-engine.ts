import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** An engine whose work takes a while, and that fails on prompts that its model cannot bear. */
const WORK_MS = 20
const ANSWER = JSON.stringify({
  id: 'chatcmpl-1',
  object: 'chat.completion',
  created: 1,
  model: 'm',
  choices: [{ index: 0, message: { role: 'assistant', content: 'hello' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 3, completion_tokens: 3, total_tokens: 6 }
})
const FAILURE = JSON.stringify({ error: { message: 'CUDA error', type: 'InternalServerError', code: 500 } })
const MODELS = JSON.stringify({ object: 'list', data: [{ id: 'm', object: 'model' }] })

const server = createServer(async (request, response) => {
  let body = ''
  for await (const piece of request) body += String(piece)
  if (request.method !== 'POST') {
    response.writeHead(200, { 'content-type': 'application/json' }).end(request.url === '/v1/models' ? MODELS : '')
    return
  }
  const isPoison = body.includes('poison')
  setTimeout(() => {
    response.writeHead(isPoison ? 500 : 200, { 'content-type': 'application/json' }).end(isPoison ? FAILURE : ANSWER)
  }, WORK_MS)
})
server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port))
process.once('disconnect', () => process.exit())
