import t from 'tap'
import { world } from '../helpers/world.ts'

const CHAT = '/v1/chat/completions'
const messages = [{ role: 'user', content: 'hello' }]
/** A schema so deep that compiling it is work. */
const deep = (levels: number): object => (levels === 0 ? {} : { properties: { x: deep(levels - 1) } })
const many = (count: number) => Array.from({ length: count }, () => 'x')
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
  ['4: weights that run code', 'sglang', '/update_weights_from_tensor', { model: 'm' }, 'TOLLGATE_INSPECT_ADMIN', null],
  [
    '9: an address in a place that another engine reads',
    'lmdeploy',
    CHAT,
    { model: 'm', messages: [{ role: 'user', content: [{ type: 'video', video: 'http://10.0.0.9/x.mp4' }] }] },
    'TOLLGATE_SHAPE_MEDIA',
    'video'
  ],
  [
    "9: a picture of Anthropic's by its address",
    'sglang',
    '/v1/messages',
    {
      model: 'm',
      max_tokens: 1,
      messages: [{ role: 'user', content: [{ type: 'image', source: { type: 'url', url: 'http://10.0.0.9/' } }] }]
    },
    'TOLLGATE_SHAPE_MEDIA',
    null
  ],
  [
    '9: a picture of the Responses API by its address',
    'vllm',
    '/v1/responses',
    { model: 'm', input: [{ role: 'user', content: [{ type: 'input_image', image_url: 'http://10.0.0.9/' }] }] },
    'TOLLGATE_SHAPE_MEDIA',
    'image_url'
  ],
  [
    '9: a document to rank that is a picture elsewhere',
    'vllm',
    '/v1/rerank',
    {
      model: 'm',
      query: 'q',
      documents: [{ content: [{ type: 'image_url', image_url: { url: 'http://10.0.0.9/' } }] }]
    },
    'TOLLGATE_SHAPE_MEDIA',
    'url'
  ],
  [
    '9: an address under the name of text',
    'vllm',
    CHAT,
    { model: 'm', messages: [{ role: 'user', content: [{ type: 'text', text: 'x', image_url: 'http://10.0.0.9/' }] }] },
    'TOLLGATE_SHAPE_MEDIA',
    'image_url'
  ],
  [
    '10: a file of the engine, by its bare path',
    'lmdeploy',
    CHAT,
    { model: 'm', messages: image('/etc/passwd') },
    'TOLLGATE_SHAPE_MEDIA',
    'url'
  ],
  [
    '11: a kind of picture whose decoders have been broken into',
    'vllm',
    CHAT,
    { model: 'm', messages: image(`data:image/jp2;base64,${'A'.repeat(400)}`) },
    'TOLLGATE_SHAPE_MEDIA',
    'url'
  ],
  [
    '11: the same under the name of another',
    'vllm',
    CHAT,
    { model: 'm', messages: image(`data:image/png;base64,AAAADGpQICANCocK${'A'.repeat(400)}`) },
    'TOLLGATE_SHAPE_MEDIA',
    'url'
  ],
  [
    '11: how to decode, by the caller',
    'vllm',
    CHAT,
    { model: 'm', messages, media_io_kwargs: { video: { num_frames: 100_000 } } },
    'TOLLGATE_SHAPE_FIELD',
    'media_io_kwargs'
  ],
  [
    '12: many texts to score',
    'vllm',
    '/v1/score',
    { model: 'm', data_1: 'x', data_2: many(3_000) },
    'TOLLGATE_SHAPE_CAP',
    'data_2'
  ],
  [
    '12: many inputs to embed',
    'vllm',
    '/v2/embed',
    { model: 'm', inputs: Array(3_000).fill({ content: [] }) },
    'TOLLGATE_SHAPE_CAP',
    'inputs'
  ],
  [
    '12: many texts to embed',
    'swift',
    '/v1/embeddings',
    { model: 'm', input: many(3_000) },
    'TOLLGATE_SHAPE_CAP',
    'input'
  ],
  ['12: many beams', 'swift', CHAT, { model: 'm', messages, num_beams: 64 }, 'TOLLGATE_SHAPE_FIELD', 'num_beams'],
  [
    '13: an expression for blanks',
    'vllm',
    CHAT,
    { model: 'm', messages, structured_outputs: { json: {}, whitespace_pattern: '(\\s+)+$' } },
    'TOLLGATE_SHAPE_FIELD',
    'structured_outputs'
  ],
  [
    '13: an expression to compile, by its older name',
    'vllm',
    CHAT,
    { model: 'm', messages, guided_regex: '(a+)+$' },
    'TOLLGATE_SHAPE_FIELD',
    'guided_regex'
  ],
  [
    "13: an expression to compile, by LMDeploy's name",
    'lmdeploy',
    CHAT,
    { model: 'm', messages, response_format: { type: 'regex_schema', regex_schema: '(a+)+$' } },
    'TOLLGATE_SHAPE_FIELD',
    'response_format'
  ],
  [
    "13: an expression to compile, by ms-swift's name",
    'swift',
    CHAT,
    { model: 'm', messages, structured_outputs_regex: '(a+)+$' },
    'TOLLGATE_SHAPE_FIELD',
    'structured_outputs_regex'
  ],
  [
    '13: a grammar behind a tool',
    'vllm',
    '/v1/responses',
    { model: 'm', input: 'x', tools: [{ type: 'custom', name: 'x', format: { type: 'grammar', definition: 'x' } }] },
    'TOLLGATE_SHAPE_FIELD',
    'tools'
  ],
  [
    '13: a schema without a bound behind a tool',
    'sglang',
    CHAT,
    { model: 'm', messages, tools: [{ type: 'function', function: { name: 'x', parameters: deep(14) } }] },
    'TOLLGATE_SHAPE_CAP',
    'tools'
  ],
  [
    '13: a schema without a bound, written as text',
    'vllm',
    CHAT,
    { model: 'm', messages, guided_json: JSON.stringify(deep(200)) },
    'TOLLGATE_SHAPE_CAP',
    'guided_json'
  ],
  [
    '13: the same by its newer name',
    'vllm',
    CHAT,
    { model: 'm', messages, structured_outputs: { json: JSON.stringify(deep(200)) } },
    'TOLLGATE_SHAPE_CAP',
    'structured_outputs'
  ],
  [
    "13: a schema without a bound, as Anthropic's libraries write it",
    'vllm',
    '/v1/messages',
    { model: 'm', max_tokens: 1, messages, output_config: { format: { type: 'json_schema', schema: deep(14) } } },
    'TOLLGATE_SHAPE_CAP',
    null
  ],
  [
    "16: a picture of another's, by its name in the cache",
    'vllm',
    CHAT,
    { model: 'm', messages: [{ role: 'user', content: [{ type: 'image_url', image_url: null, uuid: 'x' }] }] },
    'TOLLGATE_SHAPE_MEDIA',
    'uuid'
  ],
  ['19: the nodes of a proxy', 'lmdeploy', '/nodes/add', { model: 'm' }, 'TOLLGATE_INSPECT_ADMIN', null],
  [
    "18: to end another's answer",
    'vllm',
    '/v1/responses/resp_1/cancel',
    { model: 'm' },
    'TOLLGATE_INSPECT_ADMIN',
    null
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
        // Anthropic's errors name no field.
        t.equal((await answer.json()).error.param ?? null, param, row)
        t.equal((await w.audit(++line))['tollgate.code'], code, row)
      }
      t.strictSame(await w.engine.requests(), [])
    }
  )
}

t.test('11: a body is as long as its caller may send, whatever it holds', async t => {
  const w = await world(t, {
    yaml: ({ engine, issuer }) => `
issuers: [{ issuer: "${issuer}", jwks_url: "${issuer}/jwks.json", audience: inference }]
requests: { body: { text: 1KiB, multimodal: 4KiB } }
pools: { p: { engine: vllm, targets: ["${engine}"], models: [m] } }
teams: { team-a: { pool: p } }`
  })
  const ask = async (bytes: number, ...scopes: string[]) => {
    const body = { model: 'm', messages: image(`data:image/png;base64,${'A'.repeat(bytes)}`) }
    return (await w.ask(CHAT, { body, token: await w.issuer.sign({ scopes }) })).status
  }
  t.equal(await ask(2_000, 'infer:multimodal'), 200)
  t.equal(await ask(2_000, 'infer:text'), 413)
  t.equal(await ask(5_000, 'infer:multimodal'), 413)
})

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
