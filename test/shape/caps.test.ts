import fc from 'fast-check'
import t from 'tap'
import { checkCaps, layersOf } from '../../src/shape/caps.ts'

const caps = { n: 4, maxTokens: 1000, logprobs: 5, prompts: 3 }

t.test('whatever stands in a capped field, it is within the cap or refused with its name', async () => {
  const names = fc.constantFrom('n', 'best_of', 'max_tokens', 'max_completion_tokens', 'top_logprobs', 'max_new_tokens')
  fc.assert(
    fc.property(names, fc.oneof(fc.integer(), fc.double(), fc.string(), fc.jsonValue()), (name, value) => {
      try {
        checkCaps({ [name]: value }, caps, 'vllm')
        return (
          value === null ||
          (typeof value === 'boolean' && name === 'top_logprobs') ||
          (Number.isInteger(value) &&
            Number(value) >= (name === 'n' || name === 'best_of' ? 1 : 0) &&
            Number(value) <= 1000)
        )
      } catch (err) {
        return (err as { detail: { param: string } }).detail.param === name
      }
    })
  )
})

t.test('a schema is bounded in size and in depth', async t => {
  const deep = (levels: number): object => (levels === 0 ? {} : { inner: deep(levels - 1) })
  t.doesNotThrow(() => checkCaps({ response_format: deep(20) }, caps, 'vllm'))
  t.throws(() => checkCaps({ response_format: deep(30) }, caps, 'vllm'), { code: 'TOLLGATE_SHAPE_CAP' })
})

t.test('a schema is bounded when it is written as text, too, and where Anthropic puts it', async t => {
  const deep = JSON.stringify(Array.from({ length: 30 }).reduce<object>(inner => ({ inner }), {}))
  for (const body of [
    { guided_json: deep },
    { structured_outputs: { json: deep } },
    { output_config: { format: { schema: JSON.parse(deep) } } }
  ]) {
    t.throws(() => checkCaps(body, caps, 'vllm'), {
      code: 'TOLLGATE_SHAPE_CAP',
      detail: { param: Object.keys(body)[0] }
    })
  }
  t.doesNotThrow(() => checkCaps({ guided_json: '{"type":"object"}' }, caps, 'vllm'))
  t.doesNotThrow(() => checkCaps({ guided_json: 'no JSON' }, caps, 'vllm'))
})

t.test('lists that multiply work are bounded under every name that engines have for them', async t => {
  const many = Array.from({ length: 2_049 }, () => 'x')
  for (const name of [
    'documents',
    'queries',
    'items',
    'texts',
    'inputs',
    'images',
    'text_2',
    'data_1',
    'data_2',
    'input'
  ]) {
    t.throws(
      () => checkCaps({ [name]: many }, caps, 'vllm'),
      { code: 'TOLLGATE_SHAPE_CAP', detail: { param: name } },
      name
    )
  }
  for (const name of ['prompt', 'text', 'input_ids']) {
    t.throws(
      () => checkCaps({ [name]: [[1], [2], [3], [4]] }, caps, 'vllm'),
      { code: 'TOLLGATE_SHAPE_CAP', detail: { param: name } },
      name
    )
    t.doesNotThrow(() => checkCaps({ [name]: [1, 2, 3, 4] }, caps, 'vllm'), 'one prompt of tokens')
  }
})

t.test('sets of parameters are layers of their own, and no more than there may be prompts', async t => {
  t.strictSame(layersOf({ a: 1 }, caps), [{ a: 1 }])
  t.strictSame(layersOf({ sampling_params: null }, caps), [{ sampling_params: null }])
  t.strictSame(layersOf({ sampling_params: { n: 1 } }, caps).slice(1), [{ n: 1 }])
  t.strictSame(layersOf({ sampling_params: [{ n: 1 }, { n: 2 }] }, caps).slice(1), [{ n: 1 }, { n: 2 }])
  t.throws(() => layersOf({ sampling_params: [{}, {}, {}, {}] }, caps), { code: 'TOLLGATE_SHAPE_CAP' })
  for (const params of ['x', 1, ['x'], [null], [[{}]]]) {
    t.throws(
      () => layersOf({ sampling_params: params }, caps),
      { code: 'TOLLGATE_SHAPE_FIELD' },
      JSON.stringify(params)
    )
  }
})

t.test('every element of a list counts, whatever the first one is', async t => {
  const mixed = [1, ...Array.from({ length: 5_000 }, () => 'x')]
  for (const engine of ['vllm', 'sglang', 'lmdeploy', 'swift', 'openai'] as const) {
    for (const name of ['prompt', 'text', 'input_ids', 'input', 'documents', 'texts']) {
      for (const value of [mixed, [...mixed].reverse(), [mixed], [[1], mixed]]) {
        t.throws(
          () => checkCaps({ [name]: value }, caps, engine),
          { code: 'TOLLGATE_SHAPE_CAP', detail: { param: name } },
          `${engine} ${name}`
        )
      }
    }
  }
})

t.test('a list of tokens is one prompt to engines that take tokens, and a list of prompts to the others', async t => {
  const tokens = Array.from({ length: 3_000 }, (_, i) => i)
  for (const engine of ['vllm', 'sglang', 'openai'] as const) {
    t.doesNotThrow(() => checkCaps({ prompt: tokens }, caps, engine), engine)
    t.doesNotThrow(() => checkCaps({ input: tokens }, caps, engine), engine)
  }
  for (const engine of ['lmdeploy', 'swift'] as const) {
    t.throws(() => checkCaps({ prompt: tokens }, caps, engine), { code: 'TOLLGATE_SHAPE_CAP' }, engine)
    t.doesNotThrow(() => checkCaps({ input_ids: tokens }, caps, engine), engine)
  }
})

t.test('conversations, copies by other names, and documents in an object are counted, too', async t => {
  const conversation = [{ role: 'user', content: 'hi' }]
  t.doesNotThrow(() => checkCaps({ messages: Array.from({ length: 100 }, () => conversation[0]) }, caps, 'vllm'))
  for (const [param, body] of Object.entries({
    messages: { messages: [conversation, conversation, conversation, conversation] },
    num_return_sequences: { num_return_sequences: 5 },
    num_predict: { num_predict: 1_001 },
    documents: { documents: { content: Array.from({ length: 2_049 }, () => ({ type: 'text', text: 'x' })) } }
  })) {
    t.throws(() => checkCaps(body, caps, 'vllm'), { code: 'TOLLGATE_SHAPE_CAP', detail: { param } }, param)
  }
  for (const name of ['n', 'best_of']) {
    t.throws(() => checkCaps({ [name]: 0 }, caps, 'vllm'), { code: 'TOLLGATE_SHAPE_FIELD', detail: { param: name } })
  }
  t.doesNotThrow(() => checkCaps({ max_tokens: 0 }, caps, 'vllm'), 'engines take it for nothing said')
  const opened = { options: { num_predict: 9 } }
  t.strictSame(layersOf(opened, caps, true).slice(1), [{ num_predict: 9 }])
  t.strictSame(layersOf(opened, caps).slice(1), [], 'elsewhere they do not reach the engine')
})
