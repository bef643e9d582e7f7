import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { until, usagesIn } from '../helpers/ledger-files.ts'
import { type Gate, lineOf, world } from '../helpers/world.ts'

const CHAT = '/v1/chat/completions'
const ME = '/v1/me/usage'
const body = { model: 'm', messages: [{ role: 'user', content: 'hello' }] }

const yamlIn =
  (dir: string, more = '') =>
  ({ engine, issuer }: { engine: string; issuer: string }) =>
    `
issuers: [{ issuer: "${issuer}", jwks_url: "${issuer}/jwks.json", audience: inference }]
pools: { p: { engine: vllm, targets: ["${engine}"], models: [m] } }
teams: { team-a: { pool: p }, team-b: { pool: p } }
metering: { dir: ${dir}, instance: gw-0${more} }
`

/** A folder that outlives the gate: its ledger is sealed there. */
function folder(t: Test): string {
  const dir = mkdtempSync(join(tmpdir(), 'usage-'))
  t.teardown(() => rmSync(dir, { recursive: true }))
  return dir
}

const mine = async (gate: Gate, claims: Record<string, unknown> = {}) =>
  await gate.ask(ME, { method: 'GET', token: await gate.issuer.sign(claims) })

t.test('the holder of a token is told what he has used, and never what another has', async t => {
  const dir = folder(t)
  const w = await world(t, { yaml: yamlIn(dir, ', time_zone: Asia/Shanghai') })
  await w.engine.script({ kind: 'json', body: { choices: [], usage: { prompt_tokens: 7, completion_tokens: 2 } } })
  const call = async (claims: Record<string, unknown>) =>
    await (await w.ask(CHAT, { body, token: await w.issuer.sign(claims) })).text()
  for (const claims of [{}, {}, { sub: 'u-2' }, { team_id: 'team-b' }]) await call(claims)
  await until(() => usagesIn(dir).length === 4)

  const answer = await mine(w)
  t.equal(answer.status, 200)
  t.match(Object.fromEntries(answer.headers), { 'content-type': /^application\/json/, 'cache-control': 'no-store' })
  const told = await answer.json()
  t.match(told, {
    object: 'usage',
    time_zone: 'Asia/Shanghai',
    team: 'team-a',
    sub: 'u-1',
    today: {
      total: { requests: 2, errors: 0, input_tokens: 14, cached_input_tokens: null, output_tokens: 4 },
      models: [{ model: 'm', requests: 2, input_tokens: 14 }]
    },
    month: { total: { requests: 2 } }
  })
  t.ok(Math.abs(Date.parse(told.as_of) - Date.now()) < 60_000)
  t.match(told.today.from, /T16:00:00\.000Z$/)
  t.match(await (await mine(w, { sub: 'u-2' })).json(), { sub: 'u-2', month: { total: { requests: 1 } } })
  t.match(await (await mine(w, { team_id: 'team-b' })).json(), { team: 'team-b', month: { total: { requests: 1 } } })
  t.match(await (await mine(w, { sub: 'new' })).json(), {
    month: { total: { requests: 0, input_tokens: null }, models: [] }
  })

  const line = await lineOf(w, answer.headers.get('x-request-id'))
  t.match(line, { 'event.action': 'usage.read', 'gen_ai.operation.name': 'usage', 'http.response.status_code': 200 })
  // Asking costs nothing, and leaves no usage.
  t.equal(usagesIn(dir).length, 4)
})

t.test('it is asked for with a token of a served team, with GET, and without a query', async t => {
  const w = await world(t, { yaml: yamlIn(folder(t)) })
  const code = async (answer: { status: number; json(): Promise<{ error: { code: string } }> }) =>
    [answer.status, (await answer.json()).error.code] as const
  t.strictSame(await code(await w.ask(ME, { method: 'GET', token: null })), [401, 'invalid_api_key'])
  t.strictSame(await code(await mine(w, { team_id: 'team-z' })), [403, 'team_not_allowed'])
  t.strictSame(await code(await w.ask(ME, { body: {} })), [405, 'method_not_allowed'])
  t.strictSame(await code(await w.ask(`${ME}?sub=u-2`, { method: 'GET' })), [400, 'invalid_request'])
})

t.test('a gate without a ledger says so, and not that it should be tried again', async t => {
  const w = await world(t)
  const answer = await mine(w)
  t.equal(answer.status, 503)
  t.match(Object.fromEntries(answer.headers), { 'x-should-retry': 'false' })
  t.equal(answer.headers.get('retry-after'), null)
  t.equal((await lineOf(w, answer.headers.get('x-request-id')))['tollgate.code'], 'TOLLGATE_BILL_OFF')
})

t.test('while usage cannot be added up the gate serves, and says that it cannot tell', async t => {
  const dir = folder(t)
  writeFileSync(`${dir}/rollup.sqlite`, 'no database'.repeat(1_000))
  const w = await world(t, { yaml: yamlIn(dir) })
  await w.engine.script({ kind: 'json', body: { choices: [], usage: { prompt_tokens: 7, completion_tokens: 2 } } })
  const answer = await mine(w)
  t.equal(answer.status, 503)
  t.match(Object.fromEntries(answer.headers), { 'retry-after': '5' })
  t.match(await answer.json(), { error: { code: 'usage_unavailable' } })
  t.equal((await lineOf(w, answer.headers.get('x-request-id')))['tollgate.code'], 'TOLLGATE_BILL_UNAVAILABLE')
  t.equal((await w.ask(CHAT, { body })).status, 200)
  rmSync(`${dir}/rollup.sqlite`)
  await until(() => usagesIn(dir).length === 1)
  t.match(await (await mine(w)).json(), { month: { total: { requests: 1 } } })
})
