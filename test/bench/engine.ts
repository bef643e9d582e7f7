import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'

/** The engine of the bench: as little work as possible, the same for every gateway. */
const EVENTS = Number(process.env.BENCH_EVENTS ?? 100)
const GAP_MS = Number(process.env.BENCH_GAP_MS ?? 10)
const answer = Buffer.from(
  JSON.stringify({
    id: 'chatcmpl-1',
    object: 'chat.completion',
    choices: [{ index: 0, message: { role: 'assistant', content: 'x'.repeat(260) } }],
    usage: { prompt_tokens: 1, completion_tokens: 1 }
  })
)
/** As vLLM writes them: usage in every event, and at the end, for who asks for it. */
const eventWith = (more: object) =>
  Buffer.from(
    `data: ${JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion.chunk', choices: [{ index: 0, delta: { content: 'y'.repeat(110) } }], ...more })}\n\n`
  )
const usage = { prompt_tokens: 1203, total_tokens: 1615, completion_tokens: 412 }
const bare = eventWith({})
const counted = eventWith({ usage })
const last = eventWith({ choices: [], usage })

/** How many engines this process plays, each at a port of its own. */
const PORTS = Number(process.env.BENCH_PORTS ?? 1)

const answerTo: RequestListener = (request, response) => {
  let isStream = false
  let isAsked = false
  request.on('data', (piece: Buffer) => {
    isStream ||= piece.includes('"stream":true')
    isAsked ||= piece.includes('"continuous_usage_stats":true')
  })
  request.once('end', () => {
    if (!isStream) {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': answer.length }).end(answer)
      return
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    let left = EVENTS
    const event = isAsked ? counted : bare
    response.write(event)
    const clock = setInterval(() => {
      if (--left > 0) response.write(event)
      else {
        clearInterval(clock)
        if (isAsked) response.write(last)
        response.end('data: [DONE]\n\n')
      }
    }, GAP_MS)
    response.once('close', () => clearInterval(clock))
  })
}
const ports = Array.from({ length: PORTS }, async () => {
  const server = createServer(answerTo)
  server.keepAliveTimeout = 60_000
  await new Promise<void>(settle => server.listen(0, '127.0.0.1', settle))
  return (server.address() as AddressInfo).port
})
process.send?.(await Promise.all(ports))
process.once('disconnect', () => process.exit(0))
