import OpenAI from 'openai'
import t, { type Test } from 'tap'
import { OPERATIONS, type OperationName } from '../../src/engines/operations.ts'
import { rowsOf } from '../../src/engines/table.ts'
import { bodyOf, dataOf, soundForm } from '../helpers/flavours/calls.ts'
import { FLAVOURS, type FlavourName } from '../helpers/flavours/flavour.ts'
import { type Scene, scene } from '../helpers/flavours/scene.ts'

const CHAT = '/v1/chat/completions'
const messages = [{ role: 'user' as const, content: 'x' }]
/** All the usage that an engine will tell: then a stream has nothing that the gate would want to change. */
const ALL_USAGE: Readonly<Record<FlavourName, string>> = {
  vllm: '"stream_options":{"include_usage":true,"continuous_usage_stats":true}',
  sglang: '"stream_options":{"include_usage":true,"continuous_usage_stats":true}',
  lmdeploy: '"stream_options":{"include_usage":true}',
  swift: '"stream_options":{"include_usage":true}'
}

/** Every operation and route that the table of an engine serves. */
function servedBy(name: FlavourName): { operation: OperationName; path: string }[] {
  return rowsOf(name).flatMap(({ route, verdict }) =>
    verdict.is === 'served' ? [{ operation: verdict.operation, path: route.split(' ')[1] ?? '' }] : []
  )
}

for (const name of FLAVOURS) {
  t.test(`before ${name}`, async t => {
    const s = await scene(t, name, {
      models: ['m', 'm-lora', 'm:tuned'],
      pool: ', isolate_cache: false',
      yaml: 'models: { m: { aliases: [nick] }, m-lora: { aliases: [nick-lora] } }'
    })
    await t.test('every call that it serves goes and comes byte for byte, streamed where it streams', t =>
      everyCall(t, s)
    )
    await t.test('the key, the host, our id and nothing else of the caller reaches it', t => heads(t, s))
    await t.test('its own key refused is for the operator to mend, whatever it looks like', t => wrongKey(t, s))
    await t.test('models are learned and listed by name', t => lists(t, s))
    await t.test('an adapter is a model with a scope of its own, an alias is no other model', t => adapters(t, s))
    await t.test('no model that is not listed is asked for, whatever it would serve', t => unlisted(t, s))
    await t.test('usage comes as it tells it to a caller who asks, text alone to one who does not', t => usage(t, s))
    await t.test('whoever leaves before the first byte, or in the middle, frees it', t => leaving(t, s))
    await t.test('a stream that fails in the middle is an error to the libraries', t => breaking(t, s))
    t.strictSame(await s.engine.damage(), [])
  })
}

async function everyCall(t: Test, { ask, last, engine }: Scene): Promise<void> {
  for (const { operation, path } of servedBy(engine.name)) {
    const { streams, model } = OPERATIONS[operation]
    if (model === 'form') {
      await everyForm(t, path, { ask, last })
      continue
    }
    const plain = bodyOf(operation)
    const answer = await ask(path, plain)
    t.equal(answer.status, 200, `${path}: ${answer.text}`)
    const { heard, sent } = await last()
    t.equal(answer.text, sent, path)
    t.equal(Buffer.from(heard.body, 'latin1').toString(), plain, path)
    t.equal(heard.url, path)
    t.match(answer.line, { 'gen_ai.operation.name': operation, 'tollgate.outcome': 'answered' })
    if (!streams) continue
    const isOpenAI = operation === 'chat' || operation === 'completions'
    const body = bodyOf(operation, `"stream":true${isOpenAI ? `,${ALL_USAGE[engine.name]}` : ''}`)
    const stream = await ask(path, body)
    t.equal(stream.headers.get('content-type'), 'text/event-stream; charset=utf-8', path)
    const streamed = await last()
    t.equal(stream.text, streamed.sent, `${path}, streamed`)
    t.equal(Buffer.from(streamed.heard.body, 'latin1').toString(), body, `${path}, streamed`)
  }
}

/** Forms are written anew; what comes back is not. */
async function everyForm(t: Test, path: string, { ask, last }: Pick<Scene, 'ask' | 'last'>): Promise<void> {
  const answer = await ask(path, soundForm({ language: 'en' }))
  const { heard, sent } = await last()
  t.equal(answer.status, 200, `${path}: ${answer.text}`)
  t.equal(answer.text, sent, path)
  t.match(heard.body, 'filename="hello.wav"', 'no path of the caller')
  t.match(heard.body, 'name="language"\r\n\r\nen\r\n')
  const stream = await ask(path, soundForm({ stream: 'true', stream_include_usage: 'true' }))
  t.equal(stream.text, (await last()).sent, `${path}, streamed`)
  t.match(stream.text, /data: \[DONE\]\n\n$/)
}

async function heads(t: Test, { ask, last, token, engine }: Scene): Promise<void> {
  const headers = { cookie: 'a=b', 'x-request-id': 'mine', 'x-forwarded-for': '::1' }
  const answer = await ask(CHAT, bodyOf('chat'), { headers })
  const { heard } = await last()
  const id = String(answer.headers.get('x-request-id'))
  t.match(heard.headers, {
    authorization: 'Bearer key-of-the-engine',
    host: new URL(engine.origin).host,
    'x-request-id': id
  })
  const known = /^(host|connection|accept|accept-encoding|x-request-id|content-type|authorization|content-length)$/i
  t.strictSame(
    heard.rawHeaders.filter((name, index) => index % 2 === 0 && !known.test(name)),
    []
  )
  t.notMatch(JSON.stringify(heard), token)
  t.equal(answer.headers.get('server'), null)
  // vLLM alone takes our id for its own, so that its log and the audit log name a call alike.
  t.equal(answer.json.id.includes(id), engine.name === 'vllm')
}

async function wrongKey(t: Test, { ask, sign }: Scene): Promise<void> {
  const answer = await ask(CHAT, bodyOf('chat'), { token: await sign('team-wrong', 'infer:text') })
  t.match([answer.status, answer.code], [502, 'TOLLGATE_FORWARD_KEY'])
  t.notMatch(answer.text, /API key|Unauthorized/)
}

async function lists(t: Test, { ask, sign }: Scene): Promise<void> {
  const token = await sign('team-learning', 'infer:text')
  const list = await ask('/v1/models', null, { token })
  const names = list.json.data.map(({ id }: { id: string }) => id)
  t.strictSame(names, ['m', 'm-lora', 'm:tuned'])
  t.notMatch(list.text, /weights|root/)
  t.match((await ask('/v1/models/m-lora', null, { token })).json, { id: 'm-lora', owned_by: 'tollgate' })
  t.equal((await ask('/v1/models/secret', null, { token })).status, 404)
}

async function adapters(t: Test, { ask, last, sign }: Scene): Promise<void> {
  for (const team of ['team-a', 'team-learning']) {
    const token = await sign(team, 'model:m-lora:inference')
    const used = await ask(CHAT, { model: 'nick-lora', messages }, { token })
    t.equal(used.status, 200)
    t.equal(JSON.parse((await last()).heard.body).model, 'm-lora', 'the name that the engine knows')
    t.equal(used.json.model, 'm-lora')
    for (const model of ['m', 'nick', 'm:tuned', 'm:m-lora']) {
      const refused = await ask(CHAT, { model, messages }, { token })
      t.match([refused.status, refused.code], [403, 'TOLLGATE_AUTHORIZE_MODEL'], `${team} ${model}`)
    }
  }
}

async function unlisted(t: Test, { ask, sign }: Scene): Promise<void> {
  for (const team of ['team-a', 'team-learning']) {
    const token = await sign(team, 'infer:text', 'model:*:inference')
    for (const model of ['m:m-lora', 'm:secret', ':tuned', 'default', 'unheard-of', '/weights/m', 'M']) {
      const refused = await ask(CHAT, { model, messages }, { token })
      t.match([refused.status, refused.code], [404, 'TOLLGATE_ROUTE_MODEL'], `${team} ${model}`)
    }
    for (const body of [{ messages }, { model: '', messages }, { model: null, messages }]) {
      const refused = await ask(CHAT, body, { token })
      t.match([refused.status, refused.code], [400, 'TOLLGATE_INSPECT_FIELD'], 'the base for no name')
    }
  }
}

async function usage(t: Test, { ask, engine }: Scene): Promise<void> {
  const asked = await ask(CHAT, bodyOf('chat', `"stream":true,"stream_options":{"include_usage":true}`))
  const last = JSON.parse(dataOf(asked.text).at(-1) ?? '')
  t.match(last.usage, { prompt_tokens: 12, completion_tokens: 6, total_tokens: 18 })
  if (engine.name !== 'swift') t.strictSame(last.choices, [])
  const plain = await ask(CHAT, bodyOf('chat', '"stream":true'))
  t.ok(plain.text.endsWith('data: [DONE]\n\n'))
  const pieces = dataOf(plain.text).map(data => JSON.parse(data).choices[0].delta.content ?? '')
  t.equal(pieces.join(''), 'Good morning, Zoë!')
}

async function leaving(t: Test, { gate, engine, token, outcome }: Scene): Promise<void> {
  let count = 0
  const leave = async (place: 'queue' | 'head' | number, isStream: boolean) => {
    await engine.hold(place)
    const leaving = new AbortController()
    const answer = fetch(`${gate.url}${CHAT}`, {
      method: 'POST',
      signal: leaving.signal,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'm', messages, stream: isStream })
    })
    answer.catch(() => {})
    await engine.waitForRunning(1)
    if (typeof place === 'number') await (await answer).body?.getReader().read()
    leaving.abort()
    await engine.waitFor('abort', ++count)
    t.match(await outcome('client_left', count), { 'http.request.method': 'POST', 'user.id': 'u-1' })
  }
  for (const place of ['queue', 'head', 2] as const) {
    await leave(place, true)
    await engine.waitForRunning(0)
  }
  await leave('queue', false)
  // ms-swift does not look: its connection is gone, and it works on (engines.md section 3.2).
  await engine.waitForRunning(engine.name === 'swift' ? 1 : 0)
  await engine.release()
  await engine.waitForRunning(0)
}

async function breaking(t: Test, { gate, engine, token, ask, outcome }: Scene): Promise<void> {
  await engine.break(true)
  const openai = new OpenAI({ baseURL: `${gate.url}/v1`, apiKey: token, maxRetries: 0 })
  const pieces: string[] = []
  const stream = await openai.chat.completions.create({ model: 'm', messages, stream: true })
  const read = async () => {
    for await (const chunk of stream) pieces.push(chunk.choices[0]?.delta.content ?? '')
  }
  const error = await read().catch(err => err)
  t.ok(error instanceof OpenAI.APIError, String(error))
  t.match(pieces.join(''), /^Good/, 'what came before is not lost')
  if (engine.name === 'swift') {
    // It says nothing and hangs up: the gate says it.
    t.match(await outcome('broken'), { 'tollgate.code': 'TOLLGATE_FORWARD_BROKEN' })
    return
  }
  const lastOf = async (path: string, operation: string) =>
    (await ask(path, bodyOf(operation, '"stream":true'))).text.trimEnd().split('\n\n').at(-1)
  t.match(await lastOf('/v1/messages', 'messages'), /^event: error\ndata: .*"type": ?"error"/)
  t.match(await lastOf('/v1/responses', 'responses'), /"error": ?\{|event: error\n/)
}

t.test('ms-swift reads the older name of the bound alone, so the newer one is written as the older', async t => {
  const { ask, last, engine } = await scene(t, 'swift')
  await ask(CHAT, '{"model":"m","max_completion_tokens":8,"messages":[]}')
  t.equal((await last()).heard.body, '{"model":"m","max_tokens":8,"messages":[]}')
  await ask(CHAT, '{"max_tokens":99,"model":"m","max_completion_tokens":8,"messages":[]}')
  t.equal((await last()).heard.body, '{"model":"m","max_tokens":8,"messages":[]}')
  t.strictSame(await engine.damage(), [])
})

t.test("SGLang's error before the first token of a stream is an answer with a status, not an event", async t => {
  const { ask, engine } = await scene(t, 'sglang')
  await engine.fail('too_long')
  const answer = await ask(CHAT, bodyOf('chat', '"stream":true'))
  t.match([answer.status, answer.code], [400, 'TOLLGATE_FORWARD_REJECTED'])
  t.equal(answer.headers.get('content-type'), 'application/json; charset=utf-8')
  t.match(answer.json.error.message, /longer than the model's context length/)
})
