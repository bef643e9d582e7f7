import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import t, { type Test } from 'tap'
import { world } from '../helpers/world.ts'

const messages = [{ role: 'user' as const, content: 'x' }]

/** A gate that waits for the first byte for a tenth of a second, and both libraries as they come: two retries. */
async function scene(t: Test) {
  const w = await world(t, {
    yaml: ({ engine, issuer }) => `
issuers: [{ issuer: "${issuer}", jwks_url: "${issuer}/jwks.json", audience: inference }]
pools: { p: { engine: sglang, targets: ["${engine}"], models: [m], timeouts: { first_byte: 100ms } } }
teams: { team-a: { pool: p } }`
  })
  const apiKey = await w.issuer.sign()
  const openai = new OpenAI({ baseURL: `${w.url}/v1`, apiKey })
  const anthropic = new Anthropic({ baseURL: w.url, apiKey })
  const errorOf = async (call: PromiseLike<unknown>) =>
    await Promise.resolve(call).then(
      () => null,
      (err: { status: number; requestID: string }) => err
    )
  return {
    w,
    fromOpenAI: () => errorOf(openai.chat.completions.create({ model: 'm', messages })),
    fromAnthropic: () => errorOf(anthropic.messages.create({ model: 'm', max_tokens: 1, messages }))
  }
}

t.test('a generation that may have happened is asked for once: 504, 502 and 400 are not tried again', async t => {
  const { w, fromOpenAI, fromAnthropic } = await scene(t)
  let line = 0
  for (const [script, status] of [
    [{ kind: 'stall' }, 504],
    [{ kind: 'status', status: 500, body: 'Traceback: secret' }, 502],
    [{ kind: 'status', status: 400, body: '{"object":"error","message":"too long","code":400}' }, 400]
  ] as const) {
    await w.engine.script(script)
    for (const ask of [fromOpenAI, fromAnthropic]) {
      const error = await ask()
      t.equal(error?.status, status)
      t.notMatch(String(error), 'secret')
      const audit = await w.audit(++line)
      t.equal(error?.requestID, audit['http.request.id'], 'one request, and the caller knows its id')
    }
  }
  t.equal((await w.engine.requests()).length, line)
})

t.test('the sentence of an engine with flat errors is read by both libraries', async t => {
  const { w, fromOpenAI, fromAnthropic } = await scene(t)
  await w.engine.script({ kind: 'status', status: 400, body: '{"object":"error","message":"too long","code":400}' })
  t.match(await fromOpenAI(), { status: 400, message: '400 too long', code: 'invalid_request' })
  t.match(await fromAnthropic(), {
    status: 400,
    error: { error: { type: 'invalid_request_error', message: 'too long' } }
  })
})

t.test('what a later try can cure is tried three times, as long apart as the gate says', async t => {
  const { w, fromOpenAI, fromAnthropic } = await scene(t)
  let seen = 0
  for (const status of [503, 429]) {
    await w.engine.script({ kind: 'status', status, headers: { 'retry-after': '1' }, body: '' })
    const startedAtMs = Date.now()
    const errors = await Promise.all([fromOpenAI(), fromAnthropic()])
    for (const error of errors) t.equal(error?.status, status)
    seen += 6
    t.equal((await w.engine.requests()).length, seen)
    t.ok(Date.now() - startedAtMs >= 2_000, 'twice a second')
  }
  await w.engine.kill()
  t.equal((await fromOpenAI())?.status, 503)
  for (let line = seen + 1; line <= seen + 3; line++) {
    t.match(await w.audit(line), { 'tollgate.code': 'TOLLGATE_FORWARD_UNREACHABLE' })
  }
})
