import OpenAI, { toFile } from 'openai'
import t, { type Test } from 'tap'
import { world } from '../helpers/world.ts'

const SOUND = Buffer.concat([Buffer.from('RIFF'), Buffer.alloc(100_000, 7)])

async function scene(t: Test) {
  const w = await world(t, {
    yaml: ({ engine, issuer }) => `
issuers: [{ issuer: "${issuer}", jwks_url: "${issuer}/jwks.json", audience: inference }]
models: { whisper: { aliases: [whisper-1] } }
pools: { p: { engine: vllm, targets: ["${engine}"], models: [whisper] } }
teams: { team-a: { pool: p } }`
  })
  const client = async (scopes: string[]) =>
    new OpenAI({ baseURL: `${w.url}/v1`, apiKey: await w.issuer.sign({ scopes }), maxRetries: 0 })
  return { w, client }
}

t.test('sound is transcribed and translated through the gate, under the name that the engine knows', async t => {
  const { w, client } = await scene(t)
  await w.engine.script({ kind: 'json', body: { text: 'hello' } })
  const openai = await client(['infer:multimodal'])
  const file = await toFile(SOUND, '../../etc/hello.wav', { type: 'audio/wav' })
  t.match(await openai.audio.transcriptions.create({ model: 'whisper-1', file, language: 'en' }), { text: 'hello' })
  t.match(await openai.audio.translations.create({ model: 'whisper', file }), { text: 'hello' })
  const [first, second] = await w.engine.requests()
  t.equal(first?.url, '/v1/audio/transcriptions')
  t.match(first?.body, 'name="model"\r\n\r\nwhisper\r\n')
  t.match(first?.body, 'filename="hello.wav"\r\nContent-Type: audio/wav')
  t.match(first?.body, 'name="language"\r\n\r\nen\r\n')
  t.equal(second?.url, '/v1/audio/translations')
  t.match(await w.audit(), { 'gen_ai.operation.name': 'transcription', 'gen_ai.request.model': 'whisper' })
})

t.test('sound that may not be sent, or is no form, does not reach the engine', async t => {
  const { w, client } = await scene(t)
  const file = await toFile(SOUND, 'hello.wav', { type: 'audio/wav' })
  const status = async (scopes: string[], model = 'whisper') =>
    await (await client(scopes)).audio.transcriptions.create({ model, file }).then(
      () => 200,
      err => err.status
    )
  t.equal(await status(['infer:text']), 403)
  t.equal(await status(['infer:multimodal'], 'other'), 404)
  const token = await w.issuer.sign({ scopes: ['infer:multimodal'] })
  const path = '/v1/audio/transcriptions'
  t.equal((await w.ask(path, { token, body: { model: 'whisper' } })).status, 415)
  const form = (body: string) =>
    w.ask(path, { token, body, headers: { 'content-type': 'multipart/form-data; boundary=b' } })
  const field = (name: string, value: string) =>
    `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`
  for (const [body, param] of [
    [`${field('model', 'whisper')}--b--\r\n`, 'file'],
    [`${field('language', 'en')}--b--\r\n`, 'model'],
    [`${field('model', 'whisper')}${field('model', 'other')}--b--\r\n`, 'model'],
    [`${field('model', 'whisper')}${field('stream', 'yes')}--b--\r\n`, 'stream'],
    [`${field('model', 'whisper')}--b`, null]
  ] as const) {
    const answer = await form(body)
    t.equal(answer.status, 400)
    t.equal((await answer.json()).error.param, param)
  }
  t.strictSame(await w.engine.requests(), [])
})

t.test('fields that are not of the API are left out of a form, and named in the log', async t => {
  const { w } = await scene(t)
  const body = new FormData()
  for (const [name, value] of [
    ['model', 'whisper'],
    ['vllm_xargs', '{}'],
    ['prompt', 'p']
  ] as const)
    body.append(name, value)
  body.append('file', new Blob([SOUND], { type: 'audio/wav' }), 'a.wav')
  const token = await w.issuer.sign({ scopes: ['infer:multimodal'] })
  const answer = await fetch(`${w.url}/v1/audio/transcriptions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    body
  })
  t.equal(answer.status, 200)
  t.notMatch((await w.engine.requests())[0]?.body, 'vllm_xargs')
  t.match(await w.audit(), { 'tollgate.removed': 'vllm_xargs' })
})
