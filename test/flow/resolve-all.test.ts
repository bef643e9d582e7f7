import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import t, { type Test } from 'tap'
import { startNameServer } from '../helpers/name-server.ts'
import { freePort } from '../helpers/ports.ts'
import { scrapeOf } from '../helpers/scrape.ts'
import { openGate } from '../helpers/world.ts'

const ANSWER = JSON.stringify({
  id: 'c',
  object: 'chat.completion',
  choices: [],
  usage: { prompt_tokens: 1, completion_tokens: 1 }
})

/** An engine at one address; a streamed call goes on until the test ends it. */
async function engineAt(t: Test, address: string, port: number) {
  const streams: ServerResponse[] = []
  const hosts = new Set<string | undefined>()
  const state = { calls: 0, isBroken: false }
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    let body = ''
    for await (const piece of request) body += String(piece)
    hosts.add(request.headers.host)
    if (request.method === 'POST') state.calls++
    if (state.isBroken) request.socket.destroy()
    else if (!body.includes('"stream":true'))
      response.writeHead(200, { 'content-type': 'application/json' }).end(ANSWER)
    else {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: {}\n\n')
      streams.push(response)
    }
  }
  const server = createServer((request, response) => void answer(request, response))
  await new Promise<void>(resolve => server.listen(port, address, resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return Object.assign(state, { streams, hosts })
}

async function scene(t: Test, url: (port: number) => string, more = '') {
  const names = await startNameServer(t)
  const port = await freePort()
  const gate = await openGate(t, '', {
    yaml: ({ issuer }) => `
issuers: [{ issuer: "${issuer}", jwks_url: "${issuer}/jwks.json", audience: inference }]
resolver: { servers: ["${names.address}"], max_ttl: 1s, negative_ttl: 100ms, timeout: 1s }
pools: { p: { engine: vllm, targets: [{ url: "${url(port)}", resolve: all${more} }], models: [m], health: { every: 200ms } } }
teams: { team-a: { pool: p } }
`
  })
  const ask = async (body: object = {}) =>
    await gate.ask('/v1/chat/completions', { body: { model: 'm', messages: [], ...body } })
  /** Resolves when the log has a line with all of these texts, so many times. */
  const says = async (texts: readonly string[], times = 1) => {
    while (gate.log.filter(line => texts.every(text => line.includes(text))).length < times)
      await new Promise(resolve => setTimeout(resolve, 10))
  }
  return { names, port, gate, ask, says }
}

t.test(
  'each address of a name is a target of its own, which comes and goes without a reload and ends its calls',
  async t => {
    const s = await scene(t, port => `http://vllm.ns:${port}`)
    const [one, two] = [await engineAt(t, '127.0.0.1', s.port), await engineAt(t, '127.0.0.2', s.port)]
    const refused = await s.ask()
    t.equal(refused.status, 503, 'nobody knows the name yet')
    t.notMatch(await refused.text(), /vllm\.ns|127\./)

    s.names.zones.set('vllm.ns', { a: ['127.0.0.1', '127.0.0.2'], ttl: 1 })
    await s.says(['upstream addresses changed', '"added":["127.0.0.1","127.0.0.2"]'])
    for (let i = 0; i < 20; i++) t.equal((await s.ask()).status, 200)
    t.ok(one.calls > 0 && two.calls > 0, `${one.calls} and ${two.calls}`)
    t.strictSame([...one.hosts], [`vllm.ns:${s.port}`])
    const checks = s.gate.built.checks().find(({ name }) => name === 'upstream names')
    t.match(checks?.detail, { names: [{ pool: 'p', addresses: [`127.0.0.1:${s.port}`, `127.0.0.2:${s.port}`] }] })

    // Health is that of an address.
    two.isBroken = true
    await s.says([`http://vllm.ns:${s.port} (127.0.0.2:${s.port})`, 'does not answer and is left out'])
    const before = two.calls
    for (let i = 0; i < 10; i++) t.equal((await s.ask()).status, 200)
    t.equal(two.calls, before)
    two.isBroken = false
    await s.says([`(127.0.0.2:${s.port})`, 'answers again'])

    // What runs at an address that has gone goes on.
    const streams = [await s.ask({ stream: true }), await s.ask({ stream: true })]
    t.strictSame([one.streams.length, two.streams.length], [1, 1], 'the one with fewer calls in flight takes the next')
    s.names.zones.set('vllm.ns', { a: ['127.0.0.1'], ttl: 1 })
    await s.says(['upstream addresses changed', '"removed":["127.0.0.2"]'])
    const gone = two.calls
    for (let i = 0; i < 10; i++) t.equal((await s.ask()).status, 200)
    t.equal(two.calls, gone)
    for (const stream of [...one.streams, ...two.streams]) stream.end('data: [DONE]\n\n')
    for (const stream of streams) t.match(await stream.text(), /DONE/)

    const metrics = await scrapeOf(s.gate)
    t.equal(metrics.value('tollgate_upstream_healthy', { pool: 'p', target: `http://vllm.ns:${s.port}` }), 1)
    t.notMatch(metrics.text, /target="[^"]*127\./)
  }
)

t.test('limits are those of each address, and a call that waits goes to one that comes', async t => {
  const s = await scene(t, port => `http://vllm.ns:${port}`, ', max_inflight: 1')
  const [one, two] = [await engineAt(t, '127.0.0.1', s.port), await engineAt(t, '127.0.0.2', s.port)]
  s.names.zones.set('vllm.ns', { a: ['127.0.0.1'], ttl: 1 })
  await s.says(['upstream addresses changed'])
  const first = await s.ask({ stream: true })
  const second = s.ask()
  s.names.zones.set('vllm.ns', { a: ['127.0.0.1', '127.0.0.2'], ttl: 1 })
  t.equal((await second).status, 200)
  t.strictSame([one.calls, two.calls], [1, 1])
  one.streams[0]?.end()
  await first.text()
})

t.test('the records of a service say ports', async t => {
  const s = await scene(t, () => 'http://_http._tcp.vllm.ns')
  const [portOne, portTwo] = [s.port, await freePort()]
  const [one, two] = [await engineAt(t, '127.0.0.1', portOne), await engineAt(t, '127.0.0.1', portTwo)]
  s.names.zones.set('pod.ns', { a: ['127.0.0.1'] })
  s.names.zones.set('_http._tcp.vllm.ns', { srv: [`0 1 ${portOne} pod.ns`, `0 1 ${portTwo} pod.ns`] })
  await s.says(['upstream addresses changed'])
  for (let i = 0; i < 20; i++) t.equal((await s.ask()).status, 200)
  t.ok(one.calls > 0 && two.calls > 0, `${one.calls} and ${two.calls}`)
  t.strictSame([...one.hosts], ['vllm.ns'], 'the domain of the service')
})
