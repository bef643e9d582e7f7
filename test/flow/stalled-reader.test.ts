import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import t, { type Test } from 'tap'
import { lineOf, openGate } from '../helpers/world.ts'

/** As large as it takes to fill what the kernel holds for a reader within a moment. */
const FILLING = 'x'.repeat(128 * 1024)
const EVERY_MS = 10
const READ_MS = 1_000
const STALLED_MS = 3_000
const PROMPT = 20

/** An engine that makes a token every few milliseconds, whether or not anybody reads, and says with each how many it has made. */
async function startSteadyEngine(t: Test) {
  let made = 0
  const left = Promise.withResolvers<void>()
  const server = createServer((request, response) => {
    request.resume()
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    const clock = setInterval(() => {
      made++
      const usage = { prompt_tokens: PROMPT, completion_tokens: made, total_tokens: PROMPT + made }
      const choices = [{ index: 0, delta: { content: 'word ' } }]
      const event = { id: 'c', object: 'chat.completion.chunk', model: 'm', choices, usage, filling: FILLING }
      response.write(`data: ${JSON.stringify(event)}\n\n`)
    }, EVERY_MS)
    response.once('close', () => {
      clearInterval(clock)
      left.resolve()
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, made: () => made, left: left.promise }
}

t.test('M4: a reader who stalls and leaves is charged for what the engine has made meanwhile', async t => {
  const engine = await startSteadyEngine(t)
  const gate = await openGate(t, engine.origin)
  const body = JSON.stringify({ model: 'm', stream: true, messages: [{ role: 'user', content: 'hello' }] })
  const head = [
    'POST /v1/chat/completions HTTP/1.1',
    'Host: gate',
    `Authorization: Bearer ${await gate.issuer.sign()}`,
    'Content-Type: application/json',
    `Content-Length: ${body.length}`
  ]
  const reader = connect(gate.port, '127.0.0.1')
  t.teardown(() => reader.destroy())
  reader.write(`${head.join('\r\n')}\r\n\r\n${body}`)
  let bytesRead = 0
  reader.on('data', piece => {
    bytesRead += piece.length
  })
  const pause = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))
  await pause(READ_MS)
  reader.pause()
  await pause(STALLED_MS)
  reader.destroy()
  await engine.left

  const line = await lineOf(gate, String((await gate.audit())['http.request.id']))
  const [made, charged] = [engine.made(), Number(line['gen_ai.usage.output_tokens'])]
  t.ok(bytesRead < 0.6 * made * FILLING.length, 'most of it was never read')
  t.ok(Math.abs(charged / made - 1) < 0.3, `${charged} of ${made}`)
  t.match(line, { 'tollgate.outcome': 'client_left', 'tollgate.usage.source': 'estimated' })
})
