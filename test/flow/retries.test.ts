import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import t, { type Test } from 'tap'
import { world } from '../helpers/world.ts'

const messages = [{ role: 'user' as const, content: 'x' }]

/** What a call was refused with, or null. */
async function errorOf(call: PromiseLike<unknown>) {
  return await Promise.resolve(call).then(
    () => null,
    (err: { status: number; requestID: string }) => err
  )
}

/** A gate, and both libraries as they come: two retries. @param firstByte how long it waits for it */
async function scene(t: Test, firstByte = '60s') {
  const w = await world(t, {
    yaml: ({ engine, issuer }) => `
issuers: [{ issuer: "${issuer}", jwks_url: "${issuer}/jwks.json", audience: inference }]
pools: { p: { engine: sglang, targets: ["${engine}"], models: [m], timeouts: { first_byte: ${firstByte} } } }
teams: { team-a: { pool: p } }`
  })
  const apiKey = await w.issuer.sign()
  const openai = new OpenAI({ baseURL: `${w.url}/v1`, apiKey })
  const anthropic = new Anthropic({ baseURL: w.url, apiKey })
  const readAll = async (events: PromiseLike<AsyncIterable<unknown>>) => {
    for await (const _event of await events) {
    }
  }
  const stream = true
  return {
    w,
    fromOpenAI: () => errorOf(openai.chat.completions.create({ model: 'm', messages })),
    fromAnthropic: () => errorOf(anthropic.messages.create({ model: 'm', max_tokens: 1, messages })),
    /** The same, read to its end as a stream. */
    streams: {
      chat: () => errorOf(readAll(openai.chat.completions.create({ model: 'm', messages, stream }))),
      completion: () => errorOf(readAll(openai.completions.create({ model: 'm', prompt: 'x', stream }))),
      response: () => errorOf(readAll(openai.responses.create({ model: 'm', input: 'x', stream }))),
      message: () => errorOf(readAll(anthropic.messages.create({ model: 'm', max_tokens: 1, messages, stream })))
    }
  }
}

t.test('a generation that may have happened is asked for once: 504, 502 and 400 are not tried again', async t => {
  const { w, fromOpenAI, fromAnthropic } = await scene(t, '1s')
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
  for (const [status, code] of [
    [503, 'TOLLGATE_FORWARD_OVERLOADED'],
    [429, 'TOLLGATE_FORWARD_BUSY']
  ] as const) {
    await w.engine.script({ kind: 'status', status, headers: { 'retry-after': '1' }, body: '' })
    const startedAtMs = Date.now()
    const errors = await Promise.all([fromOpenAI(), fromAnthropic()])
    // While the engine has its pause, the gate says so itself.
    for (const error of errors) t.ok([status, 503].includes(error?.status ?? 0), String(error?.status))
    seen += 6
    const codes = (await w.audits(seen)).slice(seen - 6).map(line => line['tollgate.code'])
    for (const one of codes) t.ok([code, 'TOLLGATE_ROUTE_BUSY'].includes(String(one)), String(one))
    t.ok(codes.includes(code))
    t.ok(Date.now() - startedAtMs >= 2_000, 'twice a second')
  }
  await w.engine.kill()
  t.equal((await fromOpenAI())?.status, 503)
  t.match(await w.audit(seen + 3), { 'tollgate.code': 'TOLLGATE_FORWARD_UNREACHABLE' })
  t.equal((await w.audits(seen + 3)).length, seen + 3)
})

t.test('a stream that is refused before its first event is asked for as often as any other call', async t => {
  for (const [status, told, tries] of [
    [429, 429, 3],
    [503, 503, 3],
    [500, 502, 1],
    [400, 400, 1]
  ] as const) {
    const { w, streams } = await scene(t)
    const asks = Object.values(streams)
    await w.engine.script({ kind: 'status', status, headers: { 'retry-after': '1' }, body: '' })
    const errors = await Promise.all(asks.map(ask => ask()))
    // While the engine has its pause, the gate says so itself.
    for (const error of errors)
      t.ok([told, tries === 3 ? 503 : told].includes(error?.status ?? 0), String(error?.status))
    t.equal((await w.audits(tries * asks.length)).length, tries * asks.length)
  }
})

t.test('a stream that the engine breaks is raised as an APIError in every API, and not asked for again', async t => {
  const { w, streams } = await scene(t)
  const data = (value: object) => `data: ${JSON.stringify(value)}\n\n`
  const events = {
    chat: data({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [] }),
    completion: data({ id: 'c', object: 'text_completion', created: 1, model: 'm', choices: [] }),
    response: `event: response.created\n${data({ type: 'response.created', sequence_number: 0, response: {} })}`,
    message: `event: ping\n${data({ type: 'ping' })}`
  }
  let line = 0
  for (const [name, ask] of Object.entries(streams)) {
    await w.engine.script({ kind: 'sse', events: [events[name as keyof typeof events]], gapMs: 20, after: 'reset' })
    const error = await ask()
    t.ok(error instanceof (name === 'message' ? Anthropic.APIError : OpenAI.APIError), `${name}: ${error}`)
    t.match(String(error), /broke off/)
    const audit = await w.audit(++line)
    t.match(audit, { 'tollgate.code': 'TOLLGATE_FORWARD_BROKEN' })
    t.equal(error?.requestID, audit['http.request.id'], 'the caller knows its id')
  }
  t.equal((await w.engine.requests()).length, line)
})

t.test('every refusal is of the class that people catch', async t => {
  const { w } = await scene(t, '1s')
  const openai = async (apiKey: string) =>
    await errorOf(
      new OpenAI({ baseURL: `${w.url}/v1`, apiKey, maxRetries: 0 }).chat.completions.create({ model: 'm', messages })
    )
  const anthropic = async (apiKey: string) =>
    await errorOf(
      new Anthropic({ baseURL: w.url, apiKey, maxRetries: 0 }).messages.create({ model: 'm', max_tokens: 1, messages })
    )
  const good = await w.issuer.sign()
  for (const [status, ofOpenAI, ofAnthropic] of [
    [400, OpenAI.BadRequestError, Anthropic.BadRequestError],
    [404, OpenAI.NotFoundError, Anthropic.NotFoundError],
    [422, OpenAI.UnprocessableEntityError, Anthropic.UnprocessableEntityError],
    [429, OpenAI.RateLimitError, Anthropic.RateLimitError],
    [503, OpenAI.InternalServerError, Anthropic.ServiceUnavailableError],
    [500, OpenAI.InternalServerError, Anthropic.InternalServerError]
  ] as const) {
    await w.engine.script({ kind: 'status', status, body: '' })
    t.ok((await openai(good)) instanceof ofOpenAI, `${status}`)
    t.ok((await anthropic(good)) instanceof ofAnthropic, `${status}`)
  }
  await w.engine.script({ kind: 'stall' })
  t.ok((await openai(good)) instanceof OpenAI.InternalServerError, '504')
  t.ok((await anthropic(good)) instanceof Anthropic.GatewayTimeoutError, '504')
  t.ok((await openai('nonsense')) instanceof OpenAI.AuthenticationError)
  t.ok((await anthropic('nonsense')) instanceof Anthropic.AuthenticationError)
  const barred = await w.issuer.sign({ scopes: [] })
  t.ok((await openai(barred)) instanceof OpenAI.PermissionDeniedError)
  t.ok((await anthropic(barred)) instanceof Anthropic.PermissionDeniedError)
})
