import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { scrapeOf } from '../helpers/scrape.ts'
import { openGate } from '../helpers/world.ts'

/** An engine that answers by what is asked of it: `poison` breaks it, `large` is more than it lets its caller have. */
async function startTouchy(t: Test, { isWell = () => true }: { isWell?: () => boolean } = {}) {
  const served: string[] = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const piece of request.setEncoding('utf8')) body += piece
    response.setHeader('content-type', 'application/json')
    if (request.url === '/health') {
      response.writeHead(isWell() ? 200 : 500).end()
      return
    }
    const { content } = JSON.parse(body).messages[0]
    served.push(content)
    if (content === 'poison') response.writeHead(500).end('{"error":{"message":"CUDA error"}}')
    else if (content === 'large')
      response.writeHead(429, { 'retry-after': '3600' }).end('{"error":{"message":"limit"}}')
    else response.end('{"id":"x","object":"chat.completion","choices":[]}')
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, served }
}

/** Two teams before some engines. */
async function scene(t: Test, engines: readonly { readonly origin: string }[]) {
  const targets = engines.map(({ origin }) => `"${origin}"`).join(', ')
  const gate = await openGate(t, '', {
    yaml: ({ issuer }) => `
issuers: [{ issuer: "${issuer}", jwks_url: "${issuer}/jwks.json", audience: inference }]
pools: { p: { engine: vllm, targets: [${targets}], models: [m, n], health: { every: 1h } } }
teams: { red: { pool: p }, blue: { pool: p } }`
  })
  const call = async (team: string, content: string, model = 'm') => {
    const token = await gate.issuer.sign({ team_id: team })
    const answer = await gate.ask('/v1/chat/completions', {
      token,
      body: { model, messages: [{ role: 'user', content }] }
    })
    await answer.text()
    return answer
  }
  return { gate, call }
}

t.test('what breaks every engine that it comes to leaves none of them out for the other teams', async t => {
  const engines = [await startTouchy(t), await startTouchy(t)]
  const { gate, call } = await scene(t, engines)
  for (let i = 0; i < 12; i++) t.equal((await call('red', 'poison')).status, 502)
  t.equal(engines.flatMap(({ served }) => served).length, 12, 'nothing of it is tried again')
  const before = engines.map(({ served }) => served.length)
  for (let i = 0; i < 40; i++) t.equal((await call('blue', 'fine')).status, 200)
  t.ok(
    engines.every(({ served }, i) => served.length > (before[i] ?? 0)),
    'both have work'
  )
  t.equal((await call('red', 'fine')).status, 200)
  const seen = await scrapeOf(gate)
  for (const { origin: target } of engines) {
    t.equal(seen.value('tollgate_upstream_circuit_open', { pool: 'p', target }), 0)
    t.equal(seen.value('tollgate_upstream_healthy', { pool: 'p', target }), 1)
  }
  t.notOk(gate.log.some(line => line.includes('an engine is left out')))
  t.ok(gate.log.some(line => line.includes('upstream avoided for one team')))
})

t.test(
  'calls of the only team that fail have the engine asked itself, and one that is not well is left out',
  async t => {
    const engines = [await startTouchy(t, { isWell: () => false }), await startTouchy(t)]
    const { gate, call } = await scene(t, engines)
    const isOut = () =>
      gate.log.some(line => line.includes('an engine is left out') && line.includes(engines[0]?.origin ?? ''))
    while (!isOut()) await call('red', 'poison')
    const { served = [] } = engines[0] ?? {}
    const before = served.length
    for (let i = 0; i < 10; i++) t.equal((await call('blue', 'fine')).status, 200)
    t.equal(served.length, before)
  }
)

t.test(
  'a limit that one call met stops neither other teams, nor other models, nor the team itself for long',
  async t => {
    const engine = await startTouchy(t)
    const { gate, call } = await scene(t, [engine])
    const refused = await call('red', 'large')
    t.equal(refused.status, 429)
    t.equal(refused.headers.get('retry-after'), '60')
    t.equal((await call('blue', 'fine')).status, 200)
    t.equal((await call('blue', 'fine', 'n')).status, 200)
    const seen = await scrapeOf(gate)
    t.equal(seen.value('tollgate_upstream_paused', { pool: 'p', target: engine.origin }), 1)
    const check = gate.built.checks().find(({ name }) => name === 'pool p')
    t.match(check, { ok: true, detail: { targets: [{ target: engine.origin, state: 'up', teamsWithout: 0 }] } })
    t.match(
      gate.log.find(line => line.includes('upstream asked for a pause')) ?? '',
      /"team":"red","model":"m","status":429,"forMs":30000/
    )
    t.equal((await call('red', 'large')).status, 429, 'its engine says so itself')
    t.equal((await call('red', 'fine')).status, 200)
    t.equal((await scrapeOf(gate)).value('tollgate_upstream_paused', { pool: 'p', target: engine.origin }), 0)
  }
)

t.test('an engine that asked for a pause gets the call when the other one is dead', async t => {
  const engine = await startTouchy(t)
  const { call } = await scene(t, [engine, { origin: 'http://127.0.0.1:9' }])
  while ((await call('red', 'large')).status !== 429);
  for (let i = 0; i < 10; i++) t.equal((await call('blue', 'fine')).status, 200)
  const statuses: number[] = []
  for (let i = 0; i < 6; i++) statuses.push((await call('red', 'fine')).status)
  t.ok(
    statuses.every(status => status === 200),
    String(statuses)
  )
})
