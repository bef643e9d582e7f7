import { fork } from 'node:child_process'
import { resolve } from 'node:path'
import OpenAI from 'openai'
import t, { type Test } from 'tap'
import { freePort } from '../helpers/ports.ts'

async function demo(t: Test) {
  const port = await freePort()
  const child = fork(resolve(import.meta.dirname, '../../src/demo/engine.ts'), ['--port', String(port)], {
    execArgv: []
  })
  t.teardown(() => child.kill('SIGKILL'))
  await new Promise(settle => child.once('message', settle))
  const url = `http://127.0.0.1:${port}`
  return { url, client: new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 }) }
}

t.test('the demo engine speaks with the OpenAI library: models, chat, text, embeddings, streamed or not', async t => {
  const { client } = await demo(t)
  t.strictSame(
    (await client.models.list()).data.map(model => model.id),
    ['demo-chat', 'demo-embed']
  )
  const messages = [{ role: 'user' as const, content: 'hello' }]
  const whole = await client.chat.completions.create({ model: 'demo-chat', messages })
  const said = whole.choices[0]?.message.content ?? ''
  t.match(said, /demo engine.*no model is running.*hello/)
  t.equal(whole.usage?.completion_tokens, said.split(' ').length)

  let streamed = ''
  let usage: unknown
  const options = { stream: true, stream_options: { include_usage: true } } as const
  for await (const event of await client.chat.completions.create({ model: 'demo-chat', messages, ...options })) {
    streamed += event.choices[0]?.delta.content ?? ''
    usage = event.usage ?? usage
  }
  t.equal(streamed, said)
  t.strictSame(usage, whole.usage)

  const text = await client.completions.create({ model: 'demo-chat', prompt: 'hello' })
  t.equal(text.choices[0]?.text, said)
  const embedded = await client.embeddings.create({ model: 'demo-embed', input: ['a', 'b'], encoding_format: 'float' })
  t.equal(embedded.data.length, 2)
  t.notSame(embedded.data[0]?.embedding, embedded.data[1]?.embedding)
})

t.test('it refuses as engines do: unknown models, unknown routes, broken bodies', async t => {
  const { url, client } = await demo(t)
  const unknown = client.chat.completions.create({ model: 'x', messages: [] })
  t.equal(await unknown.catch(err => err instanceof OpenAI.NotFoundError), true)
  t.equal((await fetch(`${url}/v1/other`)).status, 404)
  t.equal((await fetch(`${url}/v1/completions`, { method: 'POST', body: '{' })).status, 400)
  t.equal((await fetch(`${url}/health`)).status, 200)
})
