import t from 'tap'
import { world } from '../helpers/world.ts'

const CHAT = '/v1/chat/completions'
const messages = [{ role: 'user', content: 'hello' }]
const image = (url: string) => [{ role: 'user', content: [{ type: 'image_url', image_url: { url } }] }]

/** The rows of engines.md section 2 that a gate can stop: what is asked, and the code that the audit line has. */
const TROUBLE: readonly (readonly [
  row: string,
  engine: string,
  path: string,
  body: object | null,
  code: string,
  param: string | null
])[] = [
  [
    '1: a door that the engine does not guard',
    'vllm',
    '/invocations',
    { model: 'm', messages },
    'TOLLGATE_INSPECT_ADMIN',
    null
  ],
  ['3: a description with its keys', 'sglang', '/server_info', null, 'TOLLGATE_INSPECT_ADMIN', null],
  ['3: administration by GET', 'sglang', '/flush_cache', null, 'TOLLGATE_INSPECT_ADMIN', null],
  ['4: pickled tensors', 'sglang', '/load_lora_adapter_from_tensors', { model: 'm' }, 'TOLLGATE_INSPECT_ADMIN', null],
  [
    '5: code in a logit processor',
    'sglang',
    CHAT,
    { model: 'm', messages, custom_logit_processor: 'x' },
    'TOLLGATE_SHAPE_FIELD',
    'custom_logit_processor'
  ],
  ['8: weights that run code', 'lmdeploy', '/update_weights', { model: 'm' }, 'TOLLGATE_INSPECT_ADMIN', null],
  ['8: an end to the server', 'lmdeploy', '/terminate', null, 'TOLLGATE_INSPECT_ADMIN', null],
  [
    '9: an address inside the network',
    'vllm',
    CHAT,
    { model: 'm', messages: image('http://169.254.169.254/') },
    'TOLLGATE_SHAPE_MEDIA',
    'url'
  ],
  [
    '10: a file of the engine',
    'sglang',
    CHAT,
    { model: 'm', messages: image('file:///etc/passwd') },
    'TOLLGATE_SHAPE_MEDIA',
    'url'
  ],
  [
    '10: a bare path beside the messages',
    'swift',
    CHAT,
    { model: 'm', messages, images: ['/etc/passwd'] },
    'TOLLGATE_SHAPE_MEDIA',
    'images'
  ],
  ['12: many answers to one prompt', 'vllm', CHAT, { model: 'm', messages, n: 16_384 }, 'TOLLGATE_SHAPE_CAP', 'n'],
  [
    '12: many prompts in one call',
    'vllm',
    '/v1/completions',
    { model: 'm', prompt: Array(1000).fill('x') },
    'TOLLGATE_SHAPE_CAP',
    'prompt'
  ],
  [
    '13: an expression to compile',
    'vllm',
    CHAT,
    { model: 'm', messages, structured_outputs: { regex: '(a+)+$' } },
    'TOLLGATE_SHAPE_FIELD',
    'structured_outputs'
  ],
  [
    '13: a schema without a bound',
    'vllm',
    CHAT,
    { model: 'm', messages, response_format: { type: 'json_schema', json_schema: Array(6000).fill({}) } },
    'TOLLGATE_SHAPE_CAP',
    'response_format'
  ],
  [
    '15: tensors for a prompt',
    'vllm',
    '/v1/completions',
    { model: 'm', prompt: 'x', prompt_embeds: 'x' },
    'TOLLGATE_SHAPE_FIELD',
    'prompt_embeds'
  ],
  ['18: answers of others', 'sglang', '/v1/responses/resp_1', null, 'TOLLGATE_INSPECT_ADMIN', null],
  [
    '18: an answer of others to go on from',
    'vllm',
    '/v1/responses',
    { model: 'm', input: 'x', previous_response_id: 'resp_1' },
    'TOLLGATE_SHAPE_FIELD',
    'previous_response_id'
  ],
  [
    'an adapter behind a model that is allowed',
    'sglang',
    CHAT,
    { model: 'm:adapter', messages },
    'TOLLGATE_ROUTE_MODEL',
    'model'
  ],
  [
    'a tool that runs in the engine',
    'vllm',
    '/v1/responses',
    { model: 'm', input: 'x', tools: [{ type: 'mcp' }] },
    'TOLLGATE_SHAPE_FIELD',
    'tools'
  ]
]

for (const engine of ['vllm', 'sglang', 'lmdeploy', 'swift']) {
  t.test(
    `known trouble of ${engine} is stopped: nothing is sent, the field is named, the log has the code`,
    async t => {
      const w = await world(t, {
        yaml: ({ engine: origin, issuer }) => `
issuers: [{ issuer: "${issuer}", jwks_url: "${issuer}/jwks.json", audience: inference }]
pools: { p: { engine: ${engine}, targets: ["${origin}"], models: [m] } }
teams: { team-a: { pool: p } }`
      })
      const token = await w.issuer.sign({ scopes: ['infer:text', 'infer:multimodal'] })
      let line = 0
      for (const [row, , path, body, code, param] of TROUBLE.filter(([, of]) => of === engine)) {
        const answer = await w.ask(path, {
          method: body === null ? 'GET' : 'POST',
          token,
          ...(body === null ? {} : { body })
        })
        t.ok(answer.status >= 400 && answer.status < 500, `${row}: ${answer.status}`)
        t.equal((await answer.json()).error.param, param, row)
        t.equal((await w.audit(++line))['tollgate.code'], code, row)
      }
      t.strictSame(await w.engine.requests(), [])
    }
  )
}

t.test('6, 14, 16: templates, salts and ids of the caller do not reach the engine; what it asked does', async t => {
  for (const engine of ['vllm', 'sglang']) {
    const w = await world(t, {
      yaml: ({ engine: origin, issuer }) => `
issuers: [{ issuer: "${issuer}", jwks_url: "${issuer}/jwks.json", audience: inference }]
pools: { p: { engine: ${engine}, targets: ["${origin}"], models: [m] } }
teams: { team-a: { pool: p }, team-b: { pool: p } }`
    })
    const body = {
      model: 'm',
      messages,
      chat_template: '{{ 7 * 7 }}',
      chat_template_kwargs: { chat_template: '{{ 7 * 7 }}', enable_thinking: false },
      cache_salt: 'that of team-b',
      extra_key: 'x',
      rid: 'x',
      priority: -5
    }
    const salts = new Set<string>()
    for (const team of ['team-a', 'team-b']) {
      const answer = await w.ask(CHAT, { body, token: await w.issuer.sign({ team_id: team }) })
      const { cache_salt: salt, ...rest } = JSON.parse((await answer.json()).body)
      t.strictSame(rest, { model: 'm', messages, chat_template_kwargs: { enable_thinking: false } })
      salts.add(salt)
    }
    t.equal(salts.size, 2)
    t.match(await w.audit(), { 'tollgate.removed': 'chat_template,extra_key,rid,priority' })
  }
})
