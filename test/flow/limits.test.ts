import OpenAI from 'openai'
import t from 'tap'
import { eventsOf } from '../helpers/usage-streams.ts'
import { type Gate, lineOf, world } from '../helpers/world.ts'

const CHAT = '/v1/chat/completions'
const yamlFor =
  ({ team = '', limits = '', issuer: more = '' }: { team?: string; limits?: string; issuer?: string }) =>
  ({ engine, issuer }: { engine: string; issuer: string }) =>
    `
issuers: [{ issuer: "${issuer}", jwks_url: "${issuer}/jwks.json", audience: inference${more} }]
pools: { p: { engine: vllm, targets: ["${engine}"], models: [m, n] } }
teams: { team-a: { pool: p${team} }, team-b: { pool: p } }
limits: { ${limits} }
`
const body = (more: object = {}) => ({ model: 'm', messages: [{ role: 'user', content: 'hi' }], ...more })
/** An answer in one piece of so many tokens. */
const answer = (input: number, output: number) => ({
  kind: 'json' as const,
  body: {
    id: 'c',
    object: 'chat.completion',
    model: 'm',
    choices: [],
    usage: { prompt_tokens: input, completion_tokens: output, total_tokens: input + output }
  }
})
const rateHeaders = ({ headers }: { headers: Headers }) =>
  Object.fromEntries([...headers].filter(([name]) => name.startsWith('x-ratelimit')))
/** What is left of a limit, as its holder is told, when what is awaited has become true. */
async function left(gate: Gate, name: string, isThere: (remaining: number) => boolean): Promise<number> {
  for (;;) {
    const { limits } = await (await gate.ask('/v1/me/limits', { method: 'GET' })).json()
    const { remaining } = limits.find((one: { name: string }) => one.name === name)
    if (isThere(remaining)) return remaining
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

t.test(
  'the request over the limit of its subject is a 429 that says what, how much, and when to come again',
  async t => {
    const w = await world(t, { yaml: yamlFor({ limits: 'default: { rpm: 2 }' }) })
    for (const remaining of ['1', '0']) {
      const fine = await w.ask(CHAT, { body: body() })
      t.equal(fine.status, 200)
      t.match(rateHeaders(fine), {
        'x-ratelimit-limit-requests': '2',
        'x-ratelimit-remaining-requests': remaining,
        'x-ratelimit-reset-requests': /^\d+m?\d*s$/
      })
    }
    const refused = await w.ask(CHAT, { body: body() })
    t.equal(refused.status, 429)
    t.match(await refused.json(), {
      error: {
        type: 'rate_limit_error',
        code: 'rate_limit_exceeded',
        param: null,
        message: /^Your limit of 2 requests per minute is reached\. Try again in \d+s\.$/
      }
    })
    const after = Number(refused.headers.get('retry-after'))
    t.ok(after > 15 && after <= 30, String(after))
    t.equal(Math.ceil(Number(refused.headers.get('retry-after-ms')) / 1_000), after)
    t.equal(refused.headers.get('x-should-retry'), 'true')
    t.equal(refused.headers.get('x-ratelimit-remaining-requests'), '0')
    t.equal((await w.ask(CHAT, { body: body(), token: await w.issuer.sign({ sub: 'u-2' }) })).status, 200)
    t.match(await w.audit(3), {
      'tollgate.code': 'TOLLGATE_LIMIT_RATE',
      'tollgate.limit': 'user.rpm',
      'event.reason': 'user.rpm'
    })
    t.equal((await w.engine.requests()).length, 3)
  }
)

t.test('a stream has the headers of its limits too, and is settled by what the engine has counted', async t => {
  const w = await world(t, { yaml: yamlFor({ team: ', limits: { tpm: 10K, rpm: 100 }' }) })
  await w.engine.script({
    kind: 'sse',
    events: eventsOf(
      'vllm',
      {
        operation: 'chat',
        choices: 1,
        prompts: [11],
        steps: [{ choice: 0, text: 'Hi', tokens: 6, isTool: false }],
        cached: 0,
        reasoning: 0,
        fingerprint: 'f'
      },
      { final: true, partial: true }
    )
  })
  const stream = await w.ask(CHAT, { body: body({ stream: true }) })
  t.match(rateHeaders(stream), {
    'x-ratelimit-limit-requests': '100',
    'x-ratelimit-limit-tokens': '10000',
    'x-ratelimit-remaining-tokens': /^9\d{3}$/
  })
  t.ok(Number(stream.headers.get('x-ratelimit-remaining-tokens')) < 9_500)
  await stream.text()
  t.ok((await left(w, 'team.tpm', tokens => tokens > 9_900)) >= 9_983)
})

t.test('a caller who leaves in the middle of a stream pays for what was generated until then', async t => {
  const w = await world(t, { yaml: yamlFor({ team: ', budget: { tokens: 10K, per: month }' }) })
  await w.engine.script({
    kind: 'sse',
    events: eventsOf(
      'vllm',
      {
        operation: 'chat',
        choices: 1,
        prompts: [100],
        steps: [
          { choice: 0, text: 'Hi', tokens: 23, isTool: false },
          { choice: 0, text: ' there', tokens: 1_000, isTool: false }
        ],
        cached: 0,
        reasoning: 0,
        fingerprint: 'f'
      },
      { final: false, partial: true }
    ).slice(0, 2),
    after: 'hang'
  })
  const stream = await w.ask(CHAT, { body: body({ stream: true }) })
  const reader = stream.body?.getReader()
  for (let text = ''; !text.includes('Hi'); ) text += Buffer.from((await reader?.read())?.value ?? []).toString()
  await reader?.cancel()
  t.equal(await left(w, 'team.tokens_per_month', tokens => tokens > 9_800), 10_000 - 123)
})

t.test('what an engine or the gate refuses is given back whole', async t => {
  const w = await world(t, { yaml: yamlFor({ team: ', limits: { tpm: 10K, rpm: 10, concurrent: 1 }' }) })
  await w.engine.script({ kind: 'status', status: 400, body: '{"error":{"message":"no"}}' })
  t.equal((await w.ask(CHAT, { body: body() })).status, 400)
  await w.engine.script({ kind: 'status', status: 500 })
  t.equal((await w.ask(CHAT, { body: body() })).status, 502)
  t.equal((await w.ask(CHAT, { body: body({ max_tokens: 1_000_000_000 }) })).status, 400)
  t.equal((await w.ask(CHAT, { body: body({ model: 'nowhere' }) })).status, 404)
  t.equal(await left(w, 'team.tpm', tokens => tokens === 10_000), 10_000)
  t.equal(await left(w, 'team.rpm', () => true), 10)
  t.equal(await left(w, 'team.concurrent', () => true), 1)
})

t.test('a call in flight takes a place, which is there again as soon as its caller has left', async t => {
  const w = await world(t, { yaml: yamlFor({ team: ', limits: { concurrent: 1 }' }) })
  await w.engine.script({ kind: 'stall' })
  const leaving = new AbortController()
  const running = fetch(`${w.url}${CHAT}`, {
    method: 'POST',
    signal: leaving.signal,
    headers: { authorization: `Bearer ${await w.issuer.sign()}`, 'content-type': 'application/json' },
    body: JSON.stringify(body())
  })
  await w.engine.waitFor('request')
  const refused = await w.ask(CHAT, { body: body() })
  t.equal(refused.status, 429)
  t.match((await refused.json()).error, { code: 'concurrency_limit_exceeded' })
  t.equal(refused.headers.get('retry-after'), '1')
  leaving.abort()
  await running.catch(() => {})
  await left(w, 'team.concurrent', places => places === 1)
  await w.engine.script({ kind: 'echo' })
  t.equal((await w.ask(CHAT, { body: body() })).status, 200)
})

t.test('a budget that is used up tells client libraries not to come again', async t => {
  const w = await world(t, { yaml: yamlFor({ team: ', budget: { tokens: 1000, per: day, tz: Asia/Shanghai }' }) })
  await w.engine.script(answer(900, 400))
  t.equal((await w.ask(CHAT, { body: body() })).status, 200)
  await left(w, 'team.tokens_per_day', tokens => tokens === 0)
  const refused = await w.ask(CHAT, { body: body() })
  t.equal(refused.status, 429)
  t.equal(refused.headers.get('x-should-retry'), 'false')
  t.match((await refused.json()).error, { type: 'insufficient_quota', code: 'insufficient_quota' })
  const library = new OpenAI({ baseURL: `${w.url}/v1`, apiKey: await w.issuer.sign(), maxRetries: 5 })
  const failed = await library.chat.completions
    .create({ model: 'm', messages: [{ role: 'user', content: 'hi' }] })
    .catch(err => err)
  t.match(failed, { status: 429, code: 'insufficient_quota' })
  const last = await w.ask('/v1/me/limits', { method: 'GET' })
  await lineOf(w, last.headers.get('x-request-id'))
  const refusals = (await w.audits(1)).filter(line => line['tollgate.code'] === 'TOLLGATE_LIMIT_BUDGET')
  t.equal(refusals.length, 2, 'the library has asked once')
})

t.test('a suspended team is refused with a code of its own, and others are not', async t => {
  const w = await world(t, { yaml: yamlFor({ team: ', suspended: true' }) })
  const refused = await w.ask(CHAT, { body: body() })
  t.equal(refused.status, 403)
  t.match((await refused.json()).error, { code: 'team_suspended' })
  t.equal(refused.headers.get('x-should-retry'), 'false')
  t.equal((await w.ask('/v1/models', { method: 'GET' })).status, 403)
  t.match(await (await w.ask('/v1/me/limits', { method: 'GET' })).json(), { team: 'team-a', suspended: true })
  t.equal((await w.ask(CHAT, { body: body(), token: await w.issuer.sign({ team_id: 'team-b' }) })).status, 200)
})

t.test('a claim of the token lowers the limit of its subject and never raises it', async t => {
  const w = await world(t, {
    yaml: yamlFor({ limits: 'default: { rpm: 3 }', issuer: ', claims: { limits: [quota, gate] }' })
  })
  const passed = async (sub: string, quota: object | undefined) => {
    const token = await w.issuer.sign({ sub, quota })
    let count = 0
    for (let i = 0; i < 5; i++) if ((await w.ask(CHAT, { body: body(), token })).status === 200) count++
    return count
  }
  t.equal(await passed('low', { gate: { rpm: 1 } }), 1)
  t.equal(await passed('high', { gate: { rpm: 1_000 } }), 3)
  t.equal(await passed('none', undefined), 3)
  t.equal((await w.ask(CHAT, { body: body(), token: await w.issuer.sign({ quota: { gate: 'all' } }) })).status, 401)
})

t.test('a limit in shadow lets everything through and stands in the audit line', async t => {
  const w = await world(t, { yaml: yamlFor({ limits: 'default: { rpm: 1, shadow: true }' }) })
  for (let i = 0; i < 3; i++) t.equal((await w.ask(CHAT, { body: body() })).status, 200)
  const lines = await w.audits(3)
  t.strictSame(
    lines.map(line => line['tollgate.limit.shadow']),
    [null, 'user.rpm', 'user.rpm']
  )
})

t.test('the holder of a token reads what is left of his limits, and of no others', async t => {
  const w = await world(t, {
    yaml: yamlFor({
      team: ', limits: { rpm: 10 }, per_user: { tpm: 5K }, per_model: { m: { rpm: 3 } }',
      limits: 'global: { rpm: 99 }'
    })
  })
  await w.engine.script(answer(10, 20))
  await w.ask(CHAT, { body: body() })
  await left(w, 'user.tpm', tokens => tokens >= 4_970)
  const told = await w.ask('/v1/me/limits', { method: 'GET' })
  t.equal(told.status, 200)
  t.match(await told.json(), {
    object: 'limits',
    team: 'team-a',
    suspended: false,
    limits: [
      { name: 'user.tpm', limit: 5_000, shadow: false },
      { name: 'team.rpm', limit: 10, remaining: 9 },
      { name: 'global.rpm', limit: 99, remaining: null },
      { name: 'team_model.rpm', model: 'm', limit: 3, remaining: 2 }
    ]
  })
  const other = await w.ask('/v1/me/limits', { method: 'GET', token: await w.issuer.sign({ team_id: 'team-b' }) })
  t.match((await other.json()).limits, [{ name: 'global.rpm' }])
  t.equal((await w.ask('/v1/me/limits', { method: 'GET', token: null })).status, 401)
  t.equal((await w.ask('/v1/me/limits', { body: {} })).status, 405)
  const lines = await w.audits(2)
  t.equal(lines[1]?.['event.action'], 'limits.read')
})

t.test(
  'a hundred calls at once go over a limit of tokens by no more than what was reserved, and the debt is paid',
  async t => {
    const w = await world(t, {
      yaml: yamlFor({ team: ', limits: { tpm: 100 }', limits: 'reserve_output: max_tokens' })
    })
    await w.engine.script(answer(15, 10))
    const token = await w.issuer.sign()
    const asked = await Promise.all(
      Array.from({ length: 100 }, () => w.ask(CHAT, { token, body: body({ max_tokens: 5 }) }).then(one => one.status))
    )
    const passed = asked.filter(status => status === 200).length
    t.equal(asked.filter(status => status === 429).length, 100 - passed)
    // 25 each, of which at least 5 + 15 are reserved before anything is sent.
    const reservedEach = 5 + Math.ceil(JSON.stringify(body({ max_tokens: 5 })).length / 4)
    t.ok(passed >= 1 && passed <= Math.ceil(100 / Math.min(25, reservedEach)) + 1, `${passed} let through`)
    t.equal((await w.ask(CHAT, { token, body: body({ max_tokens: 5 }) })).status, 429)
  }
)

t.test('where no limit is configured, answers say nothing of limits', async t => {
  const w = await world(t)
  t.strictSame(rateHeaders(await w.ask(CHAT, { body: body() })), {})
  t.match(await (await w.ask('/v1/me/limits', { method: 'GET' })).json(), { limits: [] })
})
