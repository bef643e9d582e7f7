import t from 'tap'
import { ENGINES, type Engine } from '../../src/engines/table.ts'
import type { Call, Identity } from '../../src/exchange.ts'
import { scanMembers } from '../../src/inspect/json-scan.ts'
import { NEVER, REFUSED } from '../../src/shape/fields.ts'
import { createShaper } from '../../src/shape/shaper.ts'

const caps = { n: 4, maxTokens: 1000, logprobs: 5, prompts: 3 }
const pools = new Map([
  ['p', { isolateCache: true, secret: 'pool-key', usage: 'native' as const }],
  ['open', { isolateCache: false, secret: null, usage: 'native' as const }],
  ['keyless', { isolateCache: true, secret: null, usage: 'native' as const }]
])
interface Ask {
  operation?: string
  engine?: Engine
  pool?: string
  team?: string
  model?: string
  extraFields?: string[]
}
const OWN = Buffer.alloc(32, 1)
const shapeText = (text: string, ask: Ask = {}) => {
  const { operation = 'chat', engine = 'openai', pool = 'p', team = 'red', model, extraFields = [] } = ask
  const bytes = Buffer.from(text)
  const fields = JSON.parse(text)
  const { shape } = createShaper(
    { caps, media: { hosts: new Set() }, extraFields, pools },
    { own: OWN, nowMs: Date.now }
  )
  const { bytes: after, removed } = shape({
    content: { bytes, members: scanMembers(bytes).members, fields },
    call: { operation, model: model ?? fields.model ?? null, modelAsked: fields.model ?? null } as Call,
    identity: { team } as Identity,
    target: { pool, engine, origin: 'http://e' }
  })
  return { text: after.toString(), fields: JSON.parse(after.toString()), removed }
}
const shape = (fields: object, ask: Ask = {}) => shapeText(JSON.stringify({ model: 'm', ...fields }), ask)
const refused = (fields: object, ask: Ask = {}) => {
  try {
    shape(fields, ask)
    return null
  } catch (err) {
    const { code, detail } = err as { code: string; detail: { param: string } }
    return `${code.replace('TOLLGATE_SHAPE_', '')} ${detail.param}`
  }
}

t.test('a body that needs no change is the one that came', async t => {
  const text =
    '{"model":"m", "seed": 9223372036854775807,"top_p":1.0,"messages":[{"role":"user","content":"h\\u00e9"}]}'
  for (const engine of ['openai', 'lmdeploy', 'swift'] as const) t.equal(shapeText(text, { engine }).text, text)
})

t.test('the model is named as the engine knows it', async t => {
  t.equal(shapeText('{"model": "nick" ,"messages":[]}', { model: 'org/m' }).text, '{"model": "org/m" ,"messages":[]}')
})

t.test('teams are kept apart in the caches of vLLM and SGLang, whatever they ask for', async t => {
  for (const engine of ['vllm', 'sglang'] as const) {
    const red = shape({ cache_salt: 'of-blue' }, { engine }).fields.cache_salt
    t.match(red, /^[A-Za-z0-9_-]{43}$/)
    t.equal(shape({}, { engine }).fields.cache_salt, red, 'the same in every gate that has the key of the pool')
    t.not(shape({}, { engine, team: 'blue' }).fields.cache_salt, red)
    t.equal(shape({ cache_salt: 'x' }, { engine, pool: 'open' }).fields.cache_salt, undefined)
    t.match(shape({}, { engine, pool: 'keyless' }).fields.cache_salt, /^[A-Za-z0-9_-]{43}$/)
    t.not(shape({}, { engine, pool: 'keyless' }).fields.cache_salt, red)
    t.equal(shape({ prompt: 'x' }, { engine, operation: 'tokenize' }).fields.cache_salt, undefined)
  }
  t.equal(shape({ cache_salt: 'x' }, { engine: 'lmdeploy' }).fields.cache_salt, undefined)
})

t.test('what only engines should know is left out, and the log is told its name', async t => {
  const { fields, removed } = shape({
    messages: [],
    rid: 'x',
    priority: -1,
    lora_path: '/x',
    new_in_the_next_release: 1,
    user: 'u'
  })
  t.strictSame(fields, { model: 'm', messages: [] })
  t.strictSame(removed, ['rid', 'priority', 'lora_path', 'new_in_the_next_release', 'user'])
})

t.test('for every engine: no name that could reach another caller or machine gets through, allowed or not', async t => {
  for (const engine of ENGINES) {
    for (const operation of ['chat', 'completions', 'responses', 'messages', 'embeddings', 'generate']) {
      for (const name of NEVER) {
        const ask = { engine, operation, pool: 'open', extraFields: [name] }
        if (REFUSED.has(name)) t.equal(refused({ [name]: 'x' }, ask), `FIELD ${name}`)
        else t.equal(shape({ [name]: 'x' }, ask).fields[name], undefined, `${engine} ${operation} ${name}`)
      }
    }
  }
})

t.test('what the operator names besides gets through', async t => {
  t.equal(shape({ ignore_eos: true }).fields.ignore_eos, undefined)
  t.equal(shape({ ignore_eos: true }, { extraFields: ['ignore_eos'] }).fields.ignore_eos, true)
})

t.test('a field that is null asks for nothing and is left out, not refused', async t => {
  t.strictSame(shape({ prompt_logprobs: null, previous_response_id: null }).fields, { model: 'm' })
})

t.test('answers are neither kept in the engine nor made behind the back of the caller', async t => {
  const ask = { operation: 'responses' }
  t.match(shape({ input: 'x' }, ask).fields, { store: false, background: false })
  t.match(shape({ input: 'x', store: true, background: true }, ask).fields, { store: false, background: false })
  t.equal(shape({ messages: [], store: true }).fields.store, undefined)
  t.equal(refused({ input: 'x', previous_response_id: 'resp_1' }, ask), 'FIELD previous_response_id')
})

t.test('one call cannot take the place of many: each cap names its field', async t => {
  for (const [fields, answer] of [
    [{ n: 5 }, 'CAP n'],
    [{ best_of: 5 }, 'CAP best_of'],
    [{ max_tokens: 1001 }, 'CAP max_tokens'],
    [{ max_completion_tokens: 1001 }, 'CAP max_completion_tokens'],
    [{ max_output_tokens: 1001 }, 'CAP max_output_tokens'],
    [{ min_tokens: 1001 }, 'CAP min_tokens'],
    [{ sampling_params: { max_new_tokens: 1001 } }, 'CAP max_new_tokens'],
    [{ top_logprobs: 6 }, 'CAP top_logprobs'],
    [{ logprobs: 6 }, 'CAP logprobs'],
    [{ logprobs: -1 }, 'FIELD logprobs'],
    [{ n: '4' }, 'FIELD n'],
    [{ max_tokens: 1.5 }, 'FIELD max_tokens'],
    [{ prompt: ['a', 'b', 'c', 'd'] }, 'CAP prompt'],
    [{ stop: Array(17).fill('x') }, 'CAP stop'],
    [{ input: Array(2049).fill('x') }, 'CAP input'],
    [{ documents: Array(2049).fill('x') }, 'CAP documents'],
    [{ bad_words: Array(129).fill('x') }, 'CAP bad_words'],
    [{ logit_bias: Object.fromEntries(Array.from({ length: 1025 }, (_, i) => [i, 1])) }, 'CAP logit_bias'],
    [{ response_format: { json_schema: Array(6000).fill({}) } }, 'CAP response_format'],
    [{ tools: Array(257).fill({ type: 'function' }) }, 'CAP tools'],
    [
      { n: 4, max_tokens: 1000, logprobs: true, top_logprobs: 5, prompt: [1, 2, 3, 4, 5], stop: 'x', min_tokens: 0 },
      null
    ],
    [{ max_tokens: null, n: null }, null]
  ] as const)
    t.equal(refused(fields), answer, JSON.stringify(fields).slice(0, 60))
})

t.test('grammars, expressions and tools that would run in the engine are refused by name', async t => {
  t.equal(refused({ structured_outputs: { regex: '(a+)+' } }), 'FIELD structured_outputs')
  t.equal(refused({ structured_outputs: { grammar: 'root ::= x' } }), 'FIELD structured_outputs')
  t.equal(refused({ response_format: { type: 'structural_tag' } }), 'FIELD response_format')
  t.equal(refused({ guided_regex: '(a+)+' }), 'FIELD guided_regex')
  for (const type of ['mcp', 'web_search_preview', 'code_interpreter', 'file_search']) {
    t.equal(refused({ tools: [{ type }] }, { operation: 'responses' }), 'FIELD tools')
  }
  t.equal(refused({ tools: [{ type: 'function', function: { name: 'f' } }, { name: 'anthropic' }] }), null)
  t.equal(refused({ structured_outputs: { choice: ['a'] }, response_format: { type: 'json_object' } }), null)
})

t.test('a chat template is told what is known and simple, and is never the own one of a caller', async t => {
  const kwargs = { enable_thinking: false, chat_template: '{{ x }}', thinking: { deep: 1 }, other: 1 }
  const { fields } = shape({ chat_template: '{{ x }}', chat_template_kwargs: kwargs })
  t.strictSame(fields, { model: 'm', chat_template_kwargs: { enable_thinking: false } })
  t.equal(
    shapeText('{"model":"m","chat_template_kwargs":{"enable_thinking" : true}}').text,
    '{"model":"m","chat_template_kwargs":{"enable_thinking" : true}}'
  )
})

t.test('ms-swift is told the bound of an answer by the name that it knows', async t => {
  const ask = { engine: 'swift' } as const
  t.strictSame(shape({ max_completion_tokens: 5 }, ask).fields, { model: 'm', max_tokens: 5 })
  t.strictSame(shape({ max_tokens: 9, max_completion_tokens: 5 }, ask).fields, { model: 'm', max_tokens: 5 })
  t.strictSame(shape({ max_completion_tokens: 5 }).fields, { model: 'm', max_completion_tokens: 5 })
})

t.test('a route that the operator opened passes as it is, but for what nobody may say to an engine', async t => {
  const ask = { operation: '/v1/systemone', engine: 'vllm', pool: 'open' } as const
  t.strictSame(shape({ state: 'x', cache_salt: 'y', priority: 1 }, ask).fields, { model: 'm', state: 'x' })
  t.equal(refused({ state: 'x', prompt_embeds: 'y' }, ask), 'FIELD prompt_embeds')
  t.equal(refused({ state: 'x', images: ['file:///etc/passwd'] }, ask), 'MEDIA images')
  t.strictSame(shape({ whatever: 1, n: 99 }, { operation: '/v1/fine_tuning/jobs' }).fields, {
    model: 'm',
    whatever: 1,
    n: 99
  })
})
