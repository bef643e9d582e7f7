import t from 'tap'
import { explain } from '../src/explain.ts'
import { world } from './helpers/world.ts'

const CHAT = '/v1/chat/completions'

t.test('what is explained is what the gate does, question by question', async t => {
  const w = await world(t)
  const body = { model: 'm', messages: [], prompt: '', input: '' }
  const picture = {
    model: 'm',
    messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:,' } }] }]
  }
  const questions = [
    { token: await w.issuer.sign() },
    { token: await w.issuer.sign(), path: '/v1/embeddings' },
    { token: await w.issuer.sign(), path: '/v1/load_lora_adapter' },
    { token: await w.issuer.sign(), path: '/v1//chat/completions' },
    { token: await w.issuer.sign(), body: { ...body, model: 'other' } },
    { token: await w.issuer.sign(), body: picture },
    { token: await w.issuer.sign({ scopes: ['infer:text', 'infer:multimodal'] }), body: picture },
    { token: await w.issuer.sign({ scopes: [] }) },
    { token: await w.issuer.sign({ scopes: ['model:other:inference'] }) },
    { token: await w.issuer.sign({ team_id: 'other' }) },
    { token: await w.issuer.sign({ team_id: undefined }) },
    { token: await w.issuer.sign({ aud: 'other' }) },
    { token: 'no.token.atall' }
  ].map(question => ({ path: CHAT, body: body as object, ...question }))
  let line = 0
  for (const { token, path, body } of questions) {
    const bytes = Buffer.from(JSON.stringify(body))
    const steps = await explain(w.built, { token, method: 'POST', path, body: bytes, from: '127.0.0.1' })
    await (await w.ask(path, { token, body: bytes, headers: { 'content-type': 'application/json' } })).text()
    const audit = await w.audit(++line)
    t.equal(steps.at(-1)?.code ?? null, audit['tollgate.code'], `${path}: ${audit['event.reason'] ?? 'passed'}`)
  }
})
