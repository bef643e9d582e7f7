import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import t from 'tap'

import { world } from '../helpers/world.ts'

const chunk = (content: string) =>
  `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta: { content }, finish_reason: null }] })}\n\n`

t.test('the OpenAI library never notices the gate: models, answers, streams', async t => {
  const w = await world(t)
  const client = new OpenAI({ baseURL: `${w.url}/v1`, apiKey: await w.issuer.sign(), maxRetries: 0 })
  t.strictSame(
    (await client.models.list()).data.map(model => model.id),
    ['m']
  )
  await w.engine.script({
    kind: 'json',
    body: {
      id: 'c',
      object: 'chat.completion',
      created: 1,
      model: 'm',
      choices: [{ index: 0, message: { role: 'assistant', content: 'hi' }, finish_reason: 'stop' }]
    }
  })
  const whole = await client.chat.completions.create({ model: 'm', messages: [{ role: 'user', content: 'hello' }] })
  t.equal(whole.choices[0]?.message.content, 'hi')
  await w.engine.script({ kind: 'sse', events: [chunk('a'), chunk('b'), 'data: [DONE]\n\n'] })
  const stream = await client.chat.completions.create({
    model: 'm',
    stream: true,
    messages: [{ role: 'user', content: 'hello' }]
  })
  let text = ''
  for await (const event of stream) text += event.choices[0]?.delta.content ?? ''
  t.equal(text, 'ab')
})

t.test('the OpenAI library raises refusals as the errors it knows, with code and request id', async t => {
  const w = await world(t)
  const ask = (apiKey: string, model = 'm') =>
    new OpenAI({ baseURL: `${w.url}/v1`, apiKey, maxRetries: 2 }).chat.completions.create({
      model,
      messages: [{ role: 'user', content: 'x' }]
    })
  await t.rejects(ask('nonsense'), { status: 401, code: 'invalid_api_key', requestID: /[0-9a-f-]{36}/ })
  await t.rejects(ask(await w.issuer.sign({ scopes: [] })), { status: 403, code: 'insufficient_permissions' })
  await t.rejects(ask(await w.issuer.sign(), 'other'), { status: 404, code: 'model_not_found', param: 'model' })
  await w.engine.script({ kind: 'reset' })
  await t.rejects(ask(await w.issuer.sign()), { status: 502, code: 'upstream_error' })
  t.equal((await w.engine.requests()).length, 1, 'and does not try a generation again')
})

t.test('a stream that the engine breaks is raised as an error, never taken for a whole one', async t => {
  const w = await world(t)
  const client = new OpenAI({ baseURL: `${w.url}/v1`, apiKey: await w.issuer.sign(), maxRetries: 0 })
  await w.engine.script({ kind: 'sse', events: [chunk('a')], gapMs: 20, after: 'reset' })
  const stream = await client.chat.completions.create({
    model: 'm',
    stream: true,
    messages: [{ role: 'user', content: 'x' }]
  })
  await t.rejects(async () => {
    for await (const _event of stream) {
    }
  }, /broke off/)
  t.match(await w.audit(), {
    'tollgate.outcome': 'broken',
    'tollgate.code': 'TOLLGATE_FORWARD_BROKEN',
    'user.id': 'u-1'
  })
})

t.test('a broken stream of the Responses API and of Messages is raised too, whatever way it is read', async t => {
  const w = await world(t)
  const apiKey = await w.issuer.sign()
  const openai = new OpenAI({ baseURL: `${w.url}/v1`, apiKey, maxRetries: 0 })
  const created = { type: 'response.created', sequence_number: 0, response: { id: 'r', output: [] } }
  const script = (event: object & { type: string }) =>
    w.engine.script({
      kind: 'sse',
      events: [`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`],
      gapMs: 20,
      after: 'reset'
    })
  const drain = async (stream: AsyncIterable<unknown>) => {
    for await (const _event of stream) {
    }
  }
  await script(created)
  await t.rejects(openai.responses.create({ model: 'm', input: 'x', stream: true }).then(drain), /broke off/)
  await t.rejects(drain(openai.responses.stream({ model: 'm', input: 'x' })), /broke off/)

  const anthropic = new Anthropic({ baseURL: w.url, apiKey, maxRetries: 0 })
  const body = { model: 'm', max_tokens: 1, messages: [{ role: 'user' as const, content: 'x' }] }
  await script({ type: 'message_start', message: { id: 'm', role: 'assistant', content: [], usage: {} } } as never)
  await t.rejects(anthropic.messages.create({ ...body, stream: true }).then(drain), Anthropic.APIError)
  await t.rejects(drain(anthropic.messages.stream(body)), Anthropic.APIError)
})

t.test(
  "Anthropic's library sends its token as x-api-key, is known by it, and gets errors in its own shape",
  async t => {
    const w = await world(t)
    const client = new Anthropic({ baseURL: w.url, apiKey: await w.issuer.sign(), maxRetries: 0 })
    const answer = { id: 'msg_1', type: 'message', role: 'assistant', content: [{ type: 'text', text: 'hi' }] }
    await w.engine.script({ kind: 'json', body: answer })
    const ask = async (of: Anthropic, model = 'm'): Promise<unknown> =>
      await of.messages.create({ model, max_tokens: 1, messages: [] }).catch((err: unknown) => err)
    t.match(await ask(client), answer)
    t.match(await w.audit(), { 'user.id': 'u-1', 'gen_ai.operation.name': 'messages' })
    t.match(await ask(client, 'x'), { status: 404, error: { type: 'error', error: { type: 'not_found_error' } } })
    t.match(await w.audit(2), { 'tollgate.code': 'TOLLGATE_ROUTE_MODEL' })
    const stranger = new Anthropic({ baseURL: w.url, apiKey: 'nonsense', maxRetries: 0 })
    t.match(await ask(stranger), { status: 401, error: { error: { type: 'authentication_error' } } })
  }
)
