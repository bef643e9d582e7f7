import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { verifyLedger } from '../../src/bill/verify.ts'
import type { UsageEvent } from '../../src/segments/format.ts'
import { startEngine } from '../helpers/engine.ts'
import { makeFolder } from '../helpers/folder.ts'
import { runGate } from '../helpers/gate-process.ts'
import { until, usagesIn } from '../helpers/ledger-files.ts'
import { scrapeOf } from '../helpers/scrape.ts'
import { fresh, open, scene } from '../helpers/two-pools.ts'
import { openGate, world } from '../helpers/world.ts'

const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url))
const chunk = (content: string, more: object = {}) =>
  `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', choices: [{ index: 0, delta: { content } }], ...more })}\n\n`
const CHAT = '/v1/chat/completions'
const BODY = { model: 'm', messages: [{ role: 'user', content: 'hello' }] }

const yamlIn =
  (dir: string, engineName = 'vllm') =>
  ({ engine, issuer }: { engine: string; issuer: string }) =>
    `
issuers: [{ issuer: "${issuer}", jwks_url: "${issuer}/jwks.json", audience: inference }]
pools: { p: { engine: ${engineName}, targets: ["${engine}"], models: [m] } }
teams: { team-a: { pool: p } }
metering: { dir: ${dir}, instance: gw-0 }
`

/** The usage of a request, when it is there. */
async function usageOf(dir: string, id: string | null): Promise<UsageEvent> {
  const find = () => usagesIn(dir).find(({ data }) => data.request_id === id)
  await until(() => find() !== undefined)
  return find() as UsageEvent
}

t.test('however a call ends, there is one usage of it, with who, what and how much', async t => {
  const dir = `${makeFolder(t)}/usage`
  const w = await world(t, { yaml: yamlIn(dir) })
  const call = async (body: object = BODY) => {
    const answer = await w.ask(CHAT, { body })
    await answer.text()
    return await usageOf(dir, answer.headers.get('x-request-id'))
  }
  const usage = { prompt_tokens: 7, completion_tokens: 0, total_tokens: 7 }
  await w.engine.script({ kind: 'json', body: { choices: [], usage } })
  const whole = await call()
  t.match(whole, {
    specversion: '1.0',
    type: 'tollgate.usage.v1',
    source: /^gw-0\/[0-9A-Z]{26}$/,
    subject: 'team-a',
    data: {
      team: 'team-a',
      sub: 'u-1',
      iss: w.issuer.url,
      op: 'chat',
      api: CHAT,
      stream: false,
      model_served: 'm',
      pool: 'p',
      target: w.engine.origin,
      engine: 'vllm',
      status: 200,
      outcome: 'completed',
      attempt: 1,
      usage: { source: 'engine_final', input: 7, cached_input: null, output: 0, requests: 1 },
      config: w.built.app.rules().config,
      v: 1
    }
  })
  t.match(whole.data.config, /^sha256:[0-9a-f]{64}$/)
  t.ok(whole.id.startsWith(whole.source.slice('gw-0/'.length)))
  const text = JSON.stringify(whole)
  for (const secret of ['hello', '127.0.0.1"', 'Bearer']) t.notOk(text.includes(secret), secret)

  await w.engine.script({ kind: 'status', status: 500 })
  t.match((await call()).data, { outcome: 'upstream_error', status: 502, usage: { source: 'none', output: null } })
  await w.engine.script({ kind: 'status', status: 400, body: '{"message":"no"}' })
  t.match((await call()).data, { outcome: 'rejected', target: w.engine.origin })
  await w.engine.script({ kind: 'sse', events: [chunk('x', { usage })], after: 'reset' })
  t.match((await call({ ...BODY, stream: true })).data, {
    outcome: 'upstream_error',
    usage: { source: 'engine_partial', input: 7, output: 0 }
  })
  t.match((await call({ ...BODY, n: 10_000 })).data, { call: null, outcome: 'rejected', code: 'TOLLGATE_SHAPE_CAP' })
  t.match((await call({ ...BODY, model: 'other' })).data, { call: null, target: null, code: 'TOLLGATE_ROUTE_MODEL' })

  await w.engine.script({ kind: 'sse', events: [chunk('x', { usage })], after: 'hang' })
  const leaving = new AbortController()
  const token = await w.issuer.sign()
  const stream = await fetch(`${w.url}${CHAT}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ ...BODY, stream: true }),
    signal: leaving.signal
  })
  await stream.body?.getReader().read()
  leaving.abort()
  t.match((await usageOf(dir, stream.headers.get('x-request-id'))).data, {
    outcome: 'client_closed',
    usage: { source: 'engine_partial', input: 7 }
  })
  t.match(verifyLedger(dir), { usages: 7, running: 0, findings: [] })
})

t.test('strangers, and what nobody may ask, leave no line', async t => {
  const dir = `${makeFolder(t)}/usage`
  const w = await world(t, { yaml: yamlIn(dir) })
  const statuses: number[] = []
  const ask = async (...args: Parameters<typeof w.ask>) => statuses.push((await w.ask(...args)).status)
  await ask(CHAT, { token: null, body: BODY })
  await ask(CHAT, { token: 'nonsense', body: BODY })
  await ask(CHAT, { token: await w.issuer.sign({ scopes: ['infer:multimodal'] }), body: BODY })
  await ask('/v1/nowhere', { body: BODY })
  await ask(CHAT, { body: '{' })
  await ask('/v1/models', { method: 'GET' })
  t.strictSame(statuses, [401, 401, 403, 404, 400, 200])
  const last = await w.ask(CHAT, { body: BODY })
  await last.text()
  await usageOf(dir, last.headers.get('x-request-id'))
  t.equal(usagesIn(dir).length, 1)
})

t.test(
  'an engine that tells at the end alone is guessed for a caller who leaves before, by what its other calls were like',
  async t => {
    const dir = `${makeFolder(t)}/usage`
    const engine = await startEngine(t)
    const gate = await openGate(t, engine.origin, { yaml: yamlIn(dir, 'lmdeploy') })
    const stream = async (isCut: boolean) => {
      const leaving = new AbortController()
      const answer = await fetch(`${gate.url}${CHAT}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${await gate.issuer.sign()}`, 'content-type': 'application/json' },
        body: JSON.stringify({ ...BODY, stream: true }),
        signal: leaving.signal
      })
      if (isCut) {
        await answer.body?.getReader().read()
        leaving.abort()
      } else await answer.text()
      return (await usageOf(dir, answer.headers.get('x-request-id'))).data
    }
    const events = [chunk('a'.repeat(100)), chunk('b'.repeat(100))]
    const usage = { prompt_tokens: 20, completion_tokens: 100, total_tokens: 120 }
    const end = `data: ${JSON.stringify({ id: 'c', choices: [], usage })}\n\n`
    await engine.script({ kind: 'sse', events: [...events, end, 'data: [DONE]\n\n'] })
    t.match(await stream(false), { outcome: 'completed', usage: { source: 'engine_final', input: 20, output: 100 } })
    await engine.script({ kind: 'sse', events: [chunk('c'.repeat(60))], after: 'hang' })
    // Two bytes a token, and the one that is on its way; the same request is as many tokens as before.
    t.match(await stream(true), { outcome: 'client_closed', usage: { source: 'estimated', input: 20, output: 31 } })
    await engine.script({ kind: 'sse', events: [...events, 'data: [DONE]\n\n'] })
    t.match(await stream(false), { outcome: 'completed', usage: { source: 'estimated', output: 100 } })
  }
)

t.test('two gates that share a folder, one taking over from the other, write all of it', async t => {
  const s = await scene(t)
  await s.a.script({ kind: 'json', body: {} })
  const dir = `${s.dir}/usage`
  writeFileSync(s.file, s.text('a', `metering: { dir: ${dir} }`))
  const first = await open(t, s)
  for (let n = 0; n < 10; n++) t.equal(await fresh(s), '200')
  const second = await open(t, s, ['--take-over'])
  t.equal(verifyLedger(dir).boots, 2)
  first.child.kill('SIGTERM')
  for (let n = 0; n < 10; n++) t.equal(await fresh(s), '200')
  t.equal(await first.exit, 0)
  for (let n = 0; n < 10; n++) t.equal(await fresh(s), '200')
  second.child.kill('SIGTERM')
  t.equal(await second.exit, 0)
  t.match(verifyLedger(dir), { boots: 2, usages: 30, crashed: 0, running: 0, findings: [] })
  t.notMatch(second.stderr(), 'had died')
  t.equal(
    execFileSync(process.execPath, [CLI, 'usage', 'verify', '--dir', dir]).toString().includes('nothing is missing'),
    true
  )
})

t.test(
  'a folder that nothing can be written to is a fault of the file, and a ledger that cannot be opened starts nothing',
  async t => {
    const s = await scene(t)
    writeFileSync(`${s.dir}/file`, '')
    writeFileSync(s.file, s.text('a', `metering: { dir: ${s.dir}/file/usage }`))
    const check = runGate(t, ['check', s.file])
    t.equal(await check.exit, 1)
    const serve = runGate(t, ['serve', '--config', s.file])
    t.equal(await serve.exit, 1)
    t.match(serve.stderr(), /E314.*no folder can be made here/)
    // What no check of the file can see.
    writeFileSync(s.file, s.text('a', `metering: { dir: /proc/tollgate }`))
    const late = runGate(t, ['serve', '--config', s.file])
    t.equal(await late.exit, 1)
    t.match(late.stderr(), /E314|the ledger in \/proc\/tollgate cannot be opened \(ENOENT\)/)
  }
)

t.test('the ledger shows in /metrics: its lines, how long they waited, and what of them is a guess', async t => {
  const dir = `${makeFolder(t)}/usage`
  const w = await world(t, { yaml: yamlIn(dir) })
  const call = async (body: object) => {
    await w.engine.script({ kind: 'json', body })
    const answer = await w.ask(CHAT, { body: BODY })
    await answer.text()
    return await usageOf(dir, answer.headers.get('x-request-id'))
  }
  await call({ choices: [], usage: { prompt_tokens: 20, completion_tokens: 5 } })
  const { data } = await call({ choices: [{ message: { content: 'hello' } }] })
  t.equal(data.usage.source, 'estimated')
  let now = await scrapeOf(w)
  while (now.value('tollgate_ledger_oldest_unsynced_seconds') !== 0) {
    await new Promise(resolve => setTimeout(resolve, 5))
    now = await scrapeOf(w)
  }
  t.equal(now.value('tollgate_ledger_records_total', { type: 'open' }), 2)
  t.equal(now.value('tollgate_ledger_records_total', { type: 'usage' }), 2)
  t.ok((now.value('tollgate_ledger_bytes_total') ?? 0) > 1_000)
  t.ok((now.value('tollgate_ledger_commit_seconds_count') ?? 0) >= 2)
  for (const name of ['queue_events', 'oldest_unflushed_seconds', 'write_errors_total', 'dropped_total'])
    t.equal(now.value(`tollgate_ledger_${name}`), 0, name)
  t.ok((now.value('tollgate_ledger_disk_free_bytes') ?? 0) > 0)
  t.equal(now.value('tollgate_estimated_tokens_total', { kind: 'input' }), data.usage.input)
  t.equal(now.value('tollgate_estimated_tokens_total', { kind: 'output' }), data.usage.output)
  t.equal(now.value('tollgate_estimate_ratio_count', { model: 'm', kind: 'input' }), 1)
  t.equal(now.value('tollgate_usage_events_total', { pool: 'p', source: 'estimated', outcome: 'answered' }), 1)
  t.equal(
    now.value('tollgate_input_tokens_total', { team: 'team-a', model: 'm', op: 'chat' }),
    20 + (data.usage.input ?? 0)
  )
})
