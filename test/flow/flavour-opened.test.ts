import t, { type Test } from 'tap'
import { dataOf } from '../helpers/flavours/calls.ts'
import { type Asked, type Scene, scene } from '../helpers/flavours/scene.ts'

const OPENED = 'access: { routes: [{ method: POST, path: /generate, scope: "task:generate" }] }'
const PICTURE = `data:image/png;base64,${Buffer.alloc(300).toString('base64')}`

/** A gate whose operator opened `/generate`, and a way to ask for it. */
async function opened(t: Test, name: 'sglang' | 'lmdeploy') {
  const s = await scene(t, name, { models: ['m', 'm-lora'], yaml: OPENED })
  const own = name === 'sglang' ? { text: 'Once' } : { prompt: 'Once' }
  const generate = (body: object, token?: string) =>
    s.ask('/generate', { ...own, ...body }, token === undefined ? {} : { token })
  return { ...s, generate }
}

/** Refused with a code, and the engine heard nothing of it. */
async function assertRefused(t: Test, { engine }: Scene, ask: () => Promise<Asked>, code: string, why: string) {
  const before = (await engine.heard()).length
  const { status, code: found } = await ask()
  t.ok(status >= 400 && status < 500, `${why}: ${status}`)
  t.equal(found, code, why)
  t.equal((await engine.heard()).length, before, why)
}

t.test('/generate is closed unless the operator opens it, and then asks for its own scope', async t => {
  for (const name of ['sglang', 'lmdeploy'] as const) {
    const closed = await scene(t, name)
    const ask = () => closed.ask('/generate', { text: 'x', prompt: 'x' })
    await assertRefused(t, closed, ask, 'TOLLGATE_INSPECT_CLOSED', name)
    const s = await opened(t, name)
    const token = await s.sign('team-a', 'infer:text', 'infer:multimodal', 'model:*:inference')
    await assertRefused(t, s, () => s.generate({}, token), 'TOLLGATE_AUTHORIZE_SCOPE', name)
    t.equal((await s.generate({})).status, 200)
  }
})

t.test('/generate of SGLang streams cumulative text with its usage in every event; of LMDeploy, pieces', async t => {
  for (const name of ['sglang', 'lmdeploy'] as const) {
    const s = await opened(t, name)
    const plain = await s.generate({})
    t.equal(plain.text, (await s.last()).sent)
    const stream = await s.generate({ stream: true })
    t.equal(stream.text, (await s.last()).sent)
    const events = dataOf(stream.text).map(data => JSON.parse(data))
    t.strictSame(
      events.map(({ meta_info: { completion_tokens } }) => completion_tokens),
      [1, 2, 3, 4, 5]
    )
    t.equal(events.at(-1).text, name === 'sglang' ? 'Good morning, Zoë!' : '!')
    t.match(stream.line, { 'gen_ai.operation.name': 'generate', 'tollgate.stream': true, 'url.path': '/generate' })
  }
})

t.test(
  'an open /generate asks for the model that its body names, and for a name from whoever may use some alone',
  async t => {
    for (const name of ['sglang', 'lmdeploy'] as const) {
      const s = await opened(t, name)
      const token = await s.sign('team-a', 'task:generate', 'model:m-lora:inference')
      t.equal((await s.generate({ model: 'm-lora' }, token)).status, 200)
      for (const body of [{ model: 'm' }, {}, { model: 'm-lora:x' }]) {
        const ask = () => s.generate(body, token)
        await assertRefused(t, s, ask, 'TOLLGATE_AUTHORIZE_MODEL', `${name} ${JSON.stringify(body)}`)
      }
      await assertRefused(t, s, () => s.generate({ model: 'unheard-of' }), 'TOLLGATE_ROUTE_MODEL', name)
      const anyModel = await s.sign('team-a', 'task:generate', 'model:*:inference')
      t.equal((await s.generate({}, anyModel)).status, 200)
      const noFamily = await s.sign('team-a', 'task:generate')
      t.equal((await s.generate({}, noFamily)).status, 200)
    }
  }
)

t.test('an open /generate passes no adapter, id, salt or address of the caller', async t => {
  const s = await opened(t, 'sglang')
  const extra = {
    lora_path: 'm-lora',
    lora_id: 'x',
    rid: 'x',
    extra_key: 'x',
    cache_salt: 'x',
    priority: -5,
    bootstrap_host: '10.0.0.9',
    session_params: { id: 'x' },
    return_hidden_states: true,
    log_metrics: false,
    routed_dp_rank: 1
  }
  t.equal((await s.generate({ ...extra, sampling_params: { max_new_tokens: 5, temperature: 0.5 } })).status, 200)
  const { cache_salt: salt, ...rest } = JSON.parse((await s.last()).heard.body)
  t.strictSame(rest, { text: 'Once', sampling_params: { max_new_tokens: 5, temperature: 0.5 } })
  t.match(salt, /^[\w-]{43}$/)
  const l = await opened(t, 'lmdeploy')
  t.equal((await l.generate({ session_id: 7, with_cache: true, max_tokens: 5 })).status, 200)
  t.strictSame(JSON.parse((await l.last()).heard.body), { prompt: 'Once', max_tokens: 5 })
  for (const { engine } of [s, l]) t.strictSame(await engine.damage(), [])
})

t.test('what is capped and refused at the top is so inside `sampling_params`, and in a list of them', async t => {
  const s = await opened(t, 'sglang')
  for (const [params, code] of [
    [{ n: 5 }, 'TOLLGATE_SHAPE_CAP'],
    [{ max_new_tokens: 1_000_000 }, 'TOLLGATE_SHAPE_CAP'],
    [{ min_new_tokens: 1_000_000 }, 'TOLLGATE_SHAPE_CAP'],
    [{ stop: Array(17).fill('x') }, 'TOLLGATE_SHAPE_CAP'],
    [{ logit_bias: Object.fromEntries(Array.from({ length: 1025 }, (_, id) => [id, 1])) }, 'TOLLGATE_SHAPE_CAP'],
    [{ regex: '(a+)+$' }, 'TOLLGATE_SHAPE_FIELD'],
    [{ ebnf: 'root ::= root root' }, 'TOLLGATE_SHAPE_FIELD'],
    [{ json_schema: '{}' }, 'TOLLGATE_SHAPE_FIELD'],
    [{ structural_tag: '{}' }, 'TOLLGATE_SHAPE_FIELD'],
    [{ stop_regex: '(a+)+$' }, 'TOLLGATE_SHAPE_FIELD'],
    [{ custom_params: { x: 1 } }, 'TOLLGATE_SHAPE_FIELD']
  ] as const) {
    for (const sampling of [params, [{}, params]]) {
      const ask = () => s.generate({ sampling_params: sampling })
      await assertRefused(t, s, ask, code, JSON.stringify(sampling).slice(0, 80))
    }
  }
  for (const body of [
    { sampling_params: 'x' },
    { sampling_params: ['x'] },
    { text: undefined, input_ids: Array(65).fill([1, 2]) },
    { text: Array(65).fill('x') },
    { sampling_params: Array(65).fill({}) },
    { top_logprobs_num: 100 },
    { return_logprob: true, top_logprobs_num: Array(2).fill(100) }
  ]) {
    const before = (await s.engine.heard()).length
    t.match((await s.generate(body)).code, /^TOLLGATE_SHAPE_(CAP|FIELD)$/, JSON.stringify(body).slice(0, 80))
    t.equal((await s.engine.heard()).length, before)
  }
  t.equal((await s.generate({ sampling_params: [{ max_new_tokens: 5 }], text: ['x'] })).status, 200)
  t.strictSame(await s.engine.damage(), [])
})

t.test('pictures reach an open /generate as data alone, from whoever may send them', async t => {
  for (const name of ['sglang', 'lmdeploy'] as const) {
    const s = await opened(t, name)
    for (const image of [
      'http://169.254.169.254/latest/meta-data',
      'file:///etc/passwd',
      '/etc/passwd',
      'cat.png',
      ['/etc/passwd'],
      [[PICTURE, 'https://evil.example/x.png']],
      { url: 'http://10.0.0.9/' }
    ]) {
      const ask = () => s.generate({ image_data: image })
      await assertRefused(t, s, ask, 'TOLLGATE_SHAPE_MEDIA', `${name} ${JSON.stringify(image).slice(0, 60)}`)
    }
    t.equal((await s.generate({ image_data: PICTURE })).status, 200)
    const textOnly = await s.sign('team-a', 'task:generate', 'infer:text')
    const ask = () => s.generate({ image_data: PICTURE }, textOnly)
    await assertRefused(t, s, ask, 'TOLLGATE_AUTHORIZE_SCOPE', name)
    t.strictSame(await s.engine.damage(), [])
  }
})
