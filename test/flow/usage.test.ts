import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { freePort } from '../helpers/ports.ts'
import { scrapeOf } from '../helpers/scrape.ts'
import { askedOf, eventsOf, type Flavour, type Made } from '../helpers/usage-streams.ts'
import { type World, world } from '../helpers/world.ts'

const PATHS = { chat: '/v1/chat/completions', completions: '/v1/completions' } as const
const BOTH = { include_usage: true, continuous_usage_stats: true }

const made = (operation: Made['operation']): Made => ({
  operation,
  choices: 1,
  prompts: [11],
  steps: ['Hel', 'lo', ' wörld'].map((text, i) => ({ choice: 0, text, tokens: i + 1, isTool: false })),
  cached: 4,
  reasoning: 0,
  fingerprint: 'vllm-0.32.0-ab12cd34'
})
const bodyOf = (operation: Made['operation'], more: object = {}) => ({
  model: 'm',
  stream: true,
  ...(operation === 'chat' ? { messages: [{ role: 'user', content: 'hi' }] } : { prompt: 'hi' }),
  ...more
})

/** Asks for a stream of a world whose engine writes what it was asked for, and gives back what the caller sees. */
async function streamed(w: World, flavour: Flavour, operation: Made['operation'], options?: unknown): Promise<string> {
  const answer = await w.ask(PATHS[operation], {
    body: bodyOf(operation, options === undefined ? {} : { stream_options: options })
  })
  t.equal(answer.status, 200)
  t.equal(answer.headers.get('content-type')?.startsWith('text/event-stream'), true, flavour)
  return await answer.text()
}

const yamlFor =
  (engine: string, more = '') =>
  (at: { engine: string; issuer: string }) =>
    `
issuers: [{ issuer: "${at.issuer}", jwks_url: "${at.issuer}/jwks.json", audience: inference }]
pools: { p: { engine: ${engine}, targets: ["${at.engine}"], models: [m]${more} } }
teams: { team-a: { pool: p } }`

for (const operation of ['chat', 'completions'] as const) {
  t.test(`a streamed ${operation} call that asks for no usage sees none, and the audit line has it`, async t => {
    const w = await world(t)
    await w.engine.script({ kind: 'sse', events: eventsOf('vllm', made(operation), { final: true, partial: true }) })
    const seen = await streamed(w, 'vllm', operation)
    t.equal(seen, eventsOf('vllm', made(operation), { final: false, partial: false }).join(''))
    t.strictSame(JSON.parse((await w.engine.requests())[0]?.body ?? '').stream_options, BOTH)
    t.match(await w.audit(), {
      'gen_ai.usage.input_tokens': 11,
      'gen_ai.usage.output_tokens': 6,
      'tollgate.usage.source': 'engine_final',
      'tollgate.outcome': 'answered',
      'http.response.body.bytes': Buffer.byteLength(seen)
    })
  })
}

t.test('include_usage: false is no way around the count', async t => {
  const w = await world(t)
  await w.engine.script({ kind: 'sse', events: eventsOf('vllm', made('chat'), { final: true, partial: true }) })
  const seen = await streamed(w, 'vllm', 'chat', { include_usage: false, mine: 1 })
  t.notMatch(seen, 'usage')
  t.strictSame(JSON.parse((await w.engine.requests())[0]?.body ?? '').stream_options, { ...BOTH, mine: 1 })
  t.match(await w.audit(), { 'gen_ai.usage.output_tokens': 6 })
})

t.test('who asks for usage sees it, as much as was asked for', async t => {
  const w = await world(t)
  await w.engine.script({ kind: 'sse', events: eventsOf('vllm', made('chat'), { final: true, partial: true }) })
  for (const options of [{ include_usage: true }, BOTH]) {
    t.equal(
      await streamed(w, 'vllm', 'chat', options),
      eventsOf('vllm', made('chat'), askedOf('vllm', options)).join('')
    )
  }
})

t.test('each engine is asked for what it knows', async t => {
  for (const [engine, options, asked] of [
    ['sglang', BOTH, { final: true, partial: true }],
    ['lmdeploy', { include_usage: true }, { final: true, partial: false }],
    ['openai', { include_usage: true }, { final: true, partial: false }]
  ] as const) {
    const w = await world(t, { yaml: yamlFor(engine) })
    await w.engine.script({ kind: 'sse', events: eventsOf(engine, made('chat'), asked) })
    t.equal(
      await streamed(w, engine, 'chat'),
      eventsOf(engine, made('chat'), { final: false, partial: false }).join('')
    )
    t.strictSame(JSON.parse((await w.engine.requests())[0]?.body ?? '').stream_options, options, engine)
    t.match(await w.audit(), { 'gen_ai.usage.input_tokens': 11, 'tollgate.usage.source': 'engine_final' }, engine)
  }
})

t.test('with usage off nothing is asked, hidden or read', async t => {
  const w = await world(t, { yaml: yamlFor('vllm', ', usage: off') })
  const events = eventsOf('vllm', made('chat'), { final: true, partial: true })
  await w.engine.script({ kind: 'sse', events })
  t.equal(await streamed(w, 'vllm', 'chat'), events.join(''))
  t.equal(JSON.parse((await w.engine.requests())[0]?.body ?? '').stream_options, undefined)
  t.match(await w.audit(), { 'gen_ai.usage.input_tokens': null, 'tollgate.usage.source': null })
})

t.test('what a caller used who left in the middle is written down, as a part', async t => {
  const w = await world(t)
  const events = eventsOf('vllm', made('chat'), { final: true, partial: true }).slice(0, 3)
  await w.engine.script({ kind: 'sse', events, after: 'hang' })
  const leave = new AbortController()
  const answer = await fetch(`${w.url}${PATHS.chat}`, {
    method: 'POST',
    signal: leave.signal,
    headers: { authorization: `Bearer ${await w.issuer.sign()}`, 'content-type': 'application/json' },
    body: JSON.stringify(bodyOf('chat'))
  })
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader()
  let seen = ''
  while (!seen.includes('"lo"')) seen += (await reader?.read())?.value ?? ''
  t.notMatch(seen, 'usage')
  reader?.read().catch(() => {})
  leave.abort()
  await w.engine.waitFor('abort')
  t.match(await w.audit(), {
    'gen_ai.usage.input_tokens': 11,
    'gen_ai.usage.output_tokens': 3,
    'tollgate.usage.source': 'engine_partial',
    'tollgate.outcome': 'client_left'
  })
})

t.test(
  'what an engine tells of its failure in a stream is said in the words of the gate, and stands in the log',
  async t => {
    const w = await world(t)
    const first = 'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
    const failure = 'data: {"error":{"message":"CUDA error at /opt/vllm/worker.py on 10.1.2.3","code":500}}\n\n'
    // Cut where it hurts: the half that was held back is not sent before the other half is there.
    await w.engine.script({
      kind: 'sse',
      events: [first, failure.slice(0, 30), failure.slice(30), 'data: [DONE]\n\n'],
      gapMs: 5
    })
    const answer = await w.ask('/v1/chat/completions', { body: { model: 'm', messages: [], stream: true } })
    const events = (await answer.text()).split('\n\n')
    t.equal(events[0], first.trim())
    t.match(JSON.parse(events[1]?.slice(6) ?? ''), { error: { message: 'The engine failed.', code: 'upstream_error' } })
    t.equal(events[2], 'data: [DONE]')
    t.match(await w.audit(), { 'tollgate.code': 'TOLLGATE_FORWARD_FAILED', 'event.outcome': 'failure' })
  }
)

t.test('what was used before an engine broke is written down; the stream ends with an error event', async t => {
  const w = await world(t)
  const events = eventsOf('vllm', made('chat'), { final: true, partial: true }).slice(0, 2)
  // It breaks in the middle of an event, of which the caller sees nothing.
  await w.engine.script({ kind: 'sse', events: [...events, 'data: {"id"'], gapMs: 20, after: 'reset' })
  const seen = await streamed(w, 'vllm', 'chat')
  const [first, second] = eventsOf('vllm', made('chat'), { final: false, partial: false })
  t.equal(seen.slice(0, `${first}${second}`.length), `${first}${second}`)
  t.match(seen.slice(`${first}${second}`.length), /^data: \{"error":.*\}\n\n/)
  t.match(await w.audit(), {
    'gen_ai.usage.output_tokens': 1,
    'tollgate.usage.source': 'engine_partial',
    'tollgate.outcome': 'broken'
  })
})

t.test('answers in one piece keep their length and every byte; an explicit 0 is written as 0', async t => {
  const w = await world(t)
  const body = { choices: [], usage: { prompt_tokens: 9, completion_tokens: 0 } }
  await w.engine.script({ kind: 'json', body })
  const answer = await w.ask(PATHS.chat, { body: { model: 'm', messages: [] } })
  t.equal(await answer.text(), JSON.stringify(body))
  t.match(await w.audit(), {
    'gen_ai.usage.input_tokens': 9,
    'gen_ai.usage.output_tokens': 0,
    'tollgate.usage.source': 'engine_final'
  })
  await w.engine.script({ kind: 'json', body: { choices: [] } })
  await (await w.ask(PATHS.chat, { body: { model: 'm', messages: [] } })).text()
  t.match(await w.audit(2), { 'tollgate.usage.source': 'estimated' })
})

t.test('forms with sound are asked for their usage too', async t => {
  const w = await world(t)
  const chunk = (usage: string) =>
    `data: {"object":"transcription.chunk","choices":[{"delta":{"content":"a"}}]${usage}}\n\n`
  await w.engine.script({
    kind: 'sse',
    events: [
      chunk(',"usage":{"prompt_tokens":5,"completion_tokens":1}'),
      'data: {"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2}}\n\n',
      'data: [DONE]\n\n'
    ]
  })
  const form = new FormData()
  form.set('model', 'm')
  form.set('stream', 'true')
  form.set('file', new Blob(['RIFF']), 'a.wav')
  const answer = await fetch(`${w.url}/v1/audio/transcriptions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${await w.issuer.sign({ scopes: ['infer:multimodal'] })}` },
    body: form
  })
  t.equal(await answer.text(), `${chunk('')}data: [DONE]\n\n`)
  const sent = (await w.engine.requests())[0]?.body ?? ''
  t.match(sent, /name="stream_include_usage"\r\n\r\ntrue\r\n/)
  t.match(sent, /name="stream_continuous_usage_stats"\r\n\r\ntrue\r\n/)
  t.match(await w.audit(), { 'gen_ai.usage.input_tokens': 5, 'gen_ai.usage.output_tokens': 2 })
})

/** An engine that answers as a function says; its origin, and the bodies that it was sent. */
async function engineThat(t: Test, answer: (body: string, response: ServerResponse) => void) {
  const bodies: string[] = []
  const server = createServer(async (request: IncomingMessage, response) => {
    let body = ''
    for await (const piece of request) body += String(piece)
    // The gate asks after its health.
    if (request.method === 'GET') {
      response.end('{}')
      return
    }
    bodies.push(body)
    answer(body, response)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, bodies }
}

t.test('an engine that refuses the options gets the call without them; the caller notices nothing', async t => {
  const { origin, bodies } = await engineThat(t, (body, response) => {
    if (body.includes('stream_options')) {
      response.writeHead(400, { 'content-type': 'application/json' })
      response.end('{"error":{"message":"Unrecognized request argument supplied: stream_options"}}')
    } else
      response.writeHead(200, { 'content-type': 'text/event-stream' }).end('data: {"choices":[]}\n\ndata: [DONE]\n\n')
  })
  const w = await world(t, { yaml: ({ issuer }) => yamlFor('openai')({ engine: origin, issuer }) })
  for (let i = 0; i < 2; i++) t.equal(await streamed(w, 'openai', 'chat'), 'data: {"choices":[]}\n\ndata: [DONE]\n\n')
  t.equal(bodies.length, 3, 'asked once, remembered then')
  t.match(bodies[0], 'stream_options')
  t.notMatch(bodies[1], 'stream_options')
  t.notMatch(bodies[2], 'stream_options')
  t.match(await w.audit(2), { 'tollgate.usage.source': 'estimated', 'tollgate.outcome': 'answered' })
})

t.test(
  'options of the caller’s own that an engine refuses are refused, and nobody else goes uncounted for it',
  async t => {
    const { origin, bodies } = await engineThat(t, (body, response) => {
      if (body.includes('mine')) {
        response.writeHead(400, { 'content-type': 'application/json' })
        response.end('{"error":{"message":"stream_options.mine is not known","param":"stream_options"}}')
      } else response.writeHead(200, { 'content-type': 'text/event-stream' }).end('data: [DONE]\n\n')
    })
    const w = await world(t, { yaml: ({ issuer }) => yamlFor('openai')({ engine: origin, issuer }) })
    const answer = await w.ask(PATHS.chat, { body: bodyOf('chat', { stream_options: { mine: 1 } }) })
    t.equal(answer.status, 400)
    t.match((await answer.json()).error, { message: 'stream_options.mine is not known', param: 'stream_options' })
    await streamed(w, 'openai', 'chat')
    t.match(bodies.at(-1), '"include_usage":true')
  }
)

t.test('a call that never reached an engine is none whose usage was not reported', async t => {
  const nobody = `http://127.0.0.1:${await freePort()}`
  const w = await world(t, {
    yaml: ({ engine, issuer }) =>
      `
issuers: [{ issuer: "${issuer}", jwks_url: "${issuer}/jwks.json", audience: inference }]
pools:
  p: { engine: vllm, targets: ["${nobody}"], models: [m], health: { every: 1h } }
  q: { engine: vllm, targets: ["${engine}"], models: [n], health: { every: 1h } }
teams: { team-a: { pools: [p, q] } }`
  })
  await w.engine.script({ kind: 'json', body: { choices: [] } })
  for (const model of ['m', 'n']) {
    const answer = await w.ask(PATHS.chat, { body: { model, messages: [{ role: 'user', content: 'hi' }] } })
    t.equal(answer.status >= 500, model === 'm', `${answer.status}`)
  }
  await w.audits(2)
  const scrape = await scrapeOf(w)
  t.equal(scrape.sum('tollgate_usage_events_total', { pool: 'p' }), 0)
  t.equal(scrape.sum('tollgate_usage_events_total', { pool: 'q' }), 1, 'one that did is counted')
})
