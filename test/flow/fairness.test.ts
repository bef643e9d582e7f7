import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { startEngine } from '../helpers/engine.ts'
import { scrapeOf } from '../helpers/scrape.ts'
import { type Gate, openGate } from '../helpers/world.ts'

const CHAT = '/v1/chat/completions'

const yamlOf =
  ({ pool, teams }: { pool: string; teams: string }) =>
  ({ engine, issuer }: { engine: string; issuer: string }) =>
    `
issuers: [{ issuer: "${issuer}", jwks_url: "${issuer}/jwks.json", audience: inference }]
pools: { p: { engine: vllm, targets: ["${engine}"], models: [m], health: { every: 1h }, ${pool} } }
teams: { ${teams} }`

/** What callers of several teams do. */
function callers(gate: Gate) {
  const tokens = new Map<string, Promise<string>>()
  return async (
    team: string,
    {
      content = team,
      headers = {},
      signal,
      more = {}
    }: {
      content?: string
      headers?: Record<string, string>
      signal?: AbortSignal
      more?: object
    } = {}
  ): Promise<Response> => {
    const token = tokens.get(team) ?? gate.issuer.sign({ team_id: team })
    tokens.set(team, token)
    return await fetch(`${gate.url}${CHAT}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${await token}`, 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ model: 'm', messages: [{ role: 'user', content }], ...more }),
      ...(signal === undefined ? {} : { signal })
    })
  }
}

/** Resolves when so many calls of a class wait. */
async function queued(gate: Gate, waiting: number, among = 'default'): Promise<void> {
  const depth = async () => (await scrapeOf(gate)).value('tollgate_queue_depth', { pool: 'p', class: among })
  while ((await depth()) !== waiting) await new Promise(resolve => setTimeout(resolve, 2))
}

/** An engine that counts as it is told to: a call whose text is `name:120` has had 120 tokens of output. One call waits until it is let go. */
async function countingEngine(t: Test) {
  const served: { name: string; tokens: number; body: string }[] = []
  let free = () => {}
  const freed = new Promise<void>(resolve => {
    free = resolve
  })
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const piece of request.setEncoding('utf8')) body += piece
    const [name = '', tokens = '0'] = JSON.parse(body).messages[0].content.split(':')
    served.push({ name, tokens: Number(tokens), body })
    if (name === 'first') await freed
    const usage = { prompt_tokens: 0, completion_tokens: Number(tokens), total_tokens: Number(tokens) }
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ id: 'x', object: 'chat.completion', choices: [], usage }))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, served, free }
}

/** An engine whose calls take a moment, and that has read as many tokens as a text says: `a:100` is a hundred of team a. */
async function promptEngine(t: Test) {
  const served: string[] = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const piece of request.setEncoding('utf8')) body += piece
    const [team = '', tokens = '0'] = JSON.parse(body).messages[0].content.split(':')
    served.push(team)
    await new Promise(resolve => setTimeout(resolve, 10))
    const usage = { prompt_tokens: Number(tokens), completion_tokens: 5, total_tokens: Number(tokens) + 5 }
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ id: 'x', object: 'chat.completion', choices: [], usage }))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, served }
}

t.test(
  'a hundred calls of one team at once: a call of another waits for the next places, not for all of them',
  async t => {
    const engine = await startEngine(t, { script: { kind: 'held' } })
    const gate = await openGate(t, engine.origin, {
      yaml: yamlOf({ pool: 'max_inflight: 4', teams: 'a: { pool: p }, b: { pool: p }' })
    })
    const call = callers(gate)
    const burst = Array.from({ length: 100 }, () => call('a'))
    await engine.waitFor('request', 4)
    await queued(gate, 96)
    const late: Promise<Response>[] = []
    let waiting = 96
    for (let round = 1; round <= 10; round++) {
      late.push(call('b'))
      await queued(gate, ++waiting)
      await engine.release()
      await engine.waitFor('request', 4 * (round + 1))
      const next = (await engine.requests()).slice(4 * round)
      t.equal(next.length, 4)
      t.equal(next.filter(({ body }) => body.includes('"content":"b"')).length, 1, `within four places, round ${round}`)
      waiting -= 4
    }
    let isOver = false
    const all = Promise.all([...burst, ...late]).finally(() => {
      isOver = true
    })
    while (!isOver) {
      await engine.release()
      await new Promise(resolve => setTimeout(resolve, 2))
    }
    t.ok((await all).every(({ status }) => status === 200))
    await gate.audits(110)
    await queued(gate, 0)
  }
)

t.test('teams that both have calls waiting get tokens by their weights, as the engine counts them', async t => {
  const engine = await countingEngine(t)
  const gate = await openGate(t, engine.origin, {
    yaml: yamlOf({
      pool: 'max_inflight: 1',
      teams: 'first: { pool: p }, long: { pool: p, weight: 3 }, short: { pool: p }'
    })
  })
  const call = callers(gate)
  const calls = [call('first', { content: 'first:10' })]
  while (engine.served.length === 0) await new Promise(resolve => setTimeout(resolve, 2))
  for (let i = 0; i < 30; i++) calls.push(call('long', { content: 'long:900' }))
  for (let i = 0; i < 60; i++) calls.push(call('short', { content: 'short:100' }))
  await queued(gate, 90)
  engine.free()
  t.ok((await Promise.all(calls)).every(({ status }) => status === 200))
  const had = { long: 0, short: 0 }
  for (const { name, tokens } of engine.served) {
    if (name === 'long' || name === 'short') had[name] += tokens
    // Until one of them has nothing more that waits.
    if (had.long === 30 * 900 || had.short === 60 * 100) break
    const apart = Math.abs(had.long / 3 - had.short)
    // One call of 900 of the weight 3, and one of 100, by what they were thought to cost at first.
    if (apart > 900 / 3 + 100) t.fail(`${JSON.stringify(had)}`)
  }
  t.ok(had.short >= 60 * 100 - 100 || had.long === 30 * 900, JSON.stringify(had))
})

t.test('calls that look long and are not keep nobody waiting who comes later', async t => {
  const engine = await promptEngine(t)
  const gate = await openGate(t, engine.origin, {
    yaml: yamlOf({ pool: 'max_inflight: 2', teams: 'a: { pool: p }, b: { pool: p }' })
  })
  const call = callers(gate)
  let isOver = false
  const statuses = new Set<number>()
  const loop = async (team: string) => {
    while (!isOver) statuses.add((await call(team, { content: `${team}:20` })).status)
  }
  await Promise.all(Array.from({ length: 8 }, () => call('a', { content: 'a:100000' })))
  const before = engine.served.length
  const loops = Array.from({ length: 8 }, () => loop('a'))
  while (engine.served.length < before + 8) await new Promise(resolve => setTimeout(resolve, 2))
  loops.push(...Array.from({ length: 8 }, () => loop('b')))
  while (!engine.served.includes('b') && engine.served.length < before + 200) {
    await new Promise(resolve => setTimeout(resolve, 2))
  }
  const since = engine.served.length
  while (engine.served.length < since + 60) await new Promise(resolve => setTimeout(resolve, 2))
  isOver = true
  const ofB = engine.served.slice(since, since + 60).filter(team => team === 'b').length
  await Promise.all(loops)
  t.strictSame([...statuses], [200])
  t.ok(ofB >= 24 && ofB <= 36, `${ofB} of 60 calls`)
})

t.test('a class above is served first; callers may ask for a lower one alone, and engines hear of none', async t => {
  const engine = await countingEngine(t)
  const gate = await openGate(t, engine.origin, {
    yaml: yamlOf({
      pool: 'max_inflight: 1',
      teams: 'first: { pool: p }, low: { pool: p, class: bulk }, high: { pool: p, class: interactive }'
    })
  })
  const call = callers(gate)
  const ask = { 'x-vllm-priority': '-5' }
  const calls = [call('first', { content: 'first:10' })]
  while (engine.served.length === 0) await new Promise(resolve => setTimeout(resolve, 2))
  calls.push(
    call('low', { content: 'low', headers: { ...ask, 'x-tollgate-class': 'system' }, more: { priority: -100 } })
  )
  await queued(gate, 1, 'bulk')
  calls.push(call('high', { content: 'lowered', headers: { ...ask, 'x-tollgate-class': 'bulk' } }))
  await queued(gate, 2, 'bulk')
  calls.push(call('high', { content: 'high', headers: { 'x-tollgate-class': 'no class' } }))
  await queued(gate, 1, 'interactive')
  engine.free()
  t.ok((await Promise.all(calls)).every(({ status }) => status === 200))
  t.strictSame(
    engine.served.map(({ name }) => name),
    ['first', 'high', 'low', 'lowered']
  )
  for (const { body } of engine.served) t.notMatch(body, /priority|class/)
})

t.test(
  'a team that has as many waiting as it may is refused, others are not, and whoever leaves makes room',
  async t => {
    const engine = await startEngine(t, { script: { kind: 'held' } })
    const gate = await openGate(t, engine.origin, {
      yaml: yamlOf({
        pool: 'max_inflight: 1, queue: { size: 4, per_team: 2 }',
        teams: 'a: { pool: p }, b: { pool: p }'
      })
    })
    const call = callers(gate)
    const leaving = new AbortController()
    const calls = [call('a')]
    await engine.waitFor('request', 1)
    const gone = call('a', { signal: leaving.signal })
    gone.catch(() => {})
    calls.push(call('a'))
    await queued(gate, 2)
    const refused = await call('a')
    t.match([refused.status, refused.headers.get('retry-after')], [429, '2'])
    t.match(await refused.json(), { error: { type: 'rate_limit_error', code: 'rate_limit_exceeded' } })
    t.match(await gate.audit(1), { 'tollgate.code': 'TOLLGATE_ROUTE_SHARE', 'tollgate.target': null })
    calls.push(call('b'))
    await queued(gate, 3)
    leaving.abort()
    await queued(gate, 2)
    calls.push(call('a'))
    await queued(gate, 3)
    const now = await scrapeOf(gate)
    t.equal(now.value('tollgate_queue_rejections_total', { pool: 'p', class: 'default', reason: 'share' }), 1)
    let isOver = false
    const all = Promise.all(calls).finally(() => {
      isOver = true
    })
    while (!isOver) {
      await engine.release()
      await new Promise(resolve => setTimeout(resolve, 2))
    }
    t.ok((await all).every(({ status }) => status === 200))
  }
)
