import { connect } from 'node:net'
import t from 'tap'
import { ENGINES, verdictOf } from '../../src/engines/table.ts'
import { fixturesOf } from '../helpers/flavours/fixtures.ts'
import { FLAVOURS } from '../helpers/flavours/flavour.ts'
import { type FlavourDouble, startFlavour } from '../helpers/flavours/start.ts'

// What the other tests rely on: the doubles are as dangerous as the engines are, when nothing stands before them.

const messages = [{ role: 'user', content: 'x' }]
const CHAT = '/v1/chat/completions'

async function ask(
  { origin }: FlavourDouble,
  path: string,
  body?: object,
  { method = body === undefined ? 'GET' : 'POST', ...headers }: Record<string, string> = {}
): Promise<Response> {
  return await fetch(`${origin}${path}`, {
    method,
    redirect: 'manual',
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) })
  })
}

t.test(
  'every route of a double is known to the table of its engine, and served only where the engine serves it',
  async t => {
    for (const name of FLAVOURS) {
      const { serves, tells, harms } = fixturesOf(name).routes
      const verdictAt = (route: string) => {
        const [method = '', path = ''] = route.split(' ')
        return verdictOf(ENGINES[ENGINES.indexOf(name)] ?? 'openai', method, path.replace(/\{\w+\}|\*$/, 'one'))
      }
      for (const [operation, routes] of Object.entries(serves)) {
        for (const route of routes) {
          const verdict = verdictAt(route)
          t.ok(verdict?.is === 'served' || verdict?.is === 'closed', `${name} ${route}`)
          if (verdict?.is === 'served') t.equal(verdict.operation, operation, `${name} ${route}`)
        }
      }
      for (const route of tells) t.equal(verdictAt(route)?.is, 'gate', `${name} ${route}`)
      for (const route of harms) t.match(verdictAt(route)?.is, /^(never|closed)$/, `${name} ${route}`)
    }
  }
)

t.test('every reply and every event of the fixtures is JSON, and ends as its API ends', async t => {
  for (const name of FLAVOURS) {
    const { routes, reply } = fixturesOf(name)
    for (const operation of Object.keys(routes.serves)) {
      t.doesNotThrow(() => JSON.parse(reply(`${operation}.json`) ?? ''), `${name} ${operation}`)
      for (const habit of ['', 'usage.', 'continuous.', 'broken.']) {
        const stream = reply(`${operation}.${habit}sse`)
        if (stream === null) continue
        const lines = stream.split('\n').filter(line => line.startsWith('data: ') && line !== 'data: [DONE]')
        for (const line of lines) t.doesNotThrow(() => JSON.parse(line.slice(6)), `${name} ${operation} ${habit}`)
        if (habit === 'broken.') continue
        const isNamed = operation === 'messages' || operation === 'responses'
        t.equal(stream.endsWith('data: [DONE]\n\n'), !isNamed, `${name} ${operation} ${habit}`)
      }
    }
  }
})

t.test('a double obeys what its engine obeys, whoever asks, and says what came of it', async t => {
  const [vllm, sglang, lmdeploy, swift] = await Promise.all([
    startFlavour(t, 'vllm', { key: 'k' }),
    startFlavour(t, 'sglang', { models: ['m', 'secret'] }),
    startFlavour(t, 'lmdeploy', { key: 'k' }),
    startFlavour(t, 'swift')
  ])
  // Its key guards prefixes; the path is matched decoded.
  t.equal((await ask(vllm, CHAT, { model: 'm', messages })).status, 401)
  t.equal((await ask(vllm, '/v1/%6Coad_lora_adapter', {})).status, 401)
  t.equal((await ask(vllm, '/%73leep', {})).status, 200)
  const bearer = { authorization: 'Bearer k' }
  const image = [
    { role: 'user', content: [{ type: 'text', uuid: 'u', image_url: { url: 'http://169.254.169.254/' } }] }
  ]
  const headers = { ...bearer, 'x-vllm-priority': '0', 'x-request-id': 'mine' }
  const named = await ask(vllm, CHAT, { messages: image, priority: -5 }, headers)
  t.match(await named.json(), { id: 'chatcmpl-mine', model: 'm' })
  t.strictSame(await vllm.damage(), [
    'POST /sleep',
    'queue: header x-vllm-priority',
    'queue: priority',
    "another's media: uuid",
    'fetched: http://169.254.169.254/',
    'the base model for no name'
  ])

  for (const model of ['m:secret', 'unheard-of']) {
    t.equal((await ask(sglang, CHAT, { model, messages, custom_logit_processor: 'x' })).status, 200)
  }
  await ask(sglang, '/generate', { text: 'x', lora_path: 'secret', sampling_params: [{ regex: 'a' }] })
  t.equal((await ask(sglang, '/flush%5Fcache')).status, 200)
  t.strictSame(await sglang.damage(), [
    'code: custom_logit_processor',
    'adapter secret',
    'code: custom_logit_processor',
    'adapter: lora_path',
    'grammar: sampling_params.regex',
    'GET /flush_cache'
  ])

  // BadHost: an old Starlette takes the path for the key from the Host header.
  t.equal((await ask(lmdeploy, '/terminate')).status, 401)
  const { hostname, port } = new URL(lmdeploy.origin)
  const socket = connect(Number(port), hostname)
  socket.write('GET /terminate HTTP/1.1\r\nHost: x/health?\r\nConnection: close\r\n\r\n')
  for await (const _ of socket);
  t.strictSame(await lmdeploy.damage(), ['GET /terminate'])

  t.equal((await ask(swift, '/infer/', {})).status, 200)
  const body = { model: 'm', messages, images: ['/etc/passwd'], max_completion_tokens: 5 }
  t.equal((await ask(swift, CHAT, body)).status, 200)
  t.strictSame(await swift.damage(), ['POST /infer/', 'read: /etc/passwd', 'an answer without a bound'])
})

t.test('a double answers what is no call as FastAPI does', async t => {
  const sglang = await startFlavour(t, 'sglang')
  t.match(await (await ask(sglang, '/nothing')).json(), { detail: 'Not Found' })
  t.match(await (await ask(sglang, CHAT)).json(), { detail: 'Method Not Allowed' })
  t.match(await (await ask(sglang, CHAT, { model: 'm' })).json(), { detail: [{ loc: ['body', 'messages'] }] })
  const redirect = await ask(sglang, '/flush_cache/')
  t.equal(redirect.status, 307)
  t.equal(redirect.headers.get('location'), `${sglang.origin}/flush_cache`)
  t.equal(redirect.headers.get('server'), 'uvicorn')
  t.strictSame(await sglang.damage(), [])
})

t.test('a double sends the head of a stream when its engine does, and no word of keep-alive', async t => {
  for (const name of FLAVOURS) {
    const engine = await startFlavour(t, name)
    await engine.hold('head')
    const { hostname, port } = new URL(engine.origin)
    const socket = connect(Number(port), hostname)
    t.teardown(() => socket.destroy())
    const body = JSON.stringify({ model: 'm', messages, stream: true })
    socket.write(`POST ${CHAT} HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
    const first = new Promise<string>(resolve => socket.once('data', piece => resolve(String(piece))))
    await engine.waitForRunning(1)
    if (name === 'sglang') await engine.release()
    const text = await first
    t.match(text, /^HTTP\/1\.1 200 OK\r\n/)
    t.notMatch(text, /keep-alive/i)
    t.equal(text.includes('data: '), name === 'sglang', name)
  }
})
