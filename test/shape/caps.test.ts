import fc from 'fast-check'
import t from 'tap'
import { checkCaps, layersOf } from '../../src/shape/caps.ts'

const caps = { n: 4, maxTokens: 1000, logprobs: 5, prompts: 3 }

t.test('whatever stands in a capped field, it is within the cap or refused with its name', async () => {
  const names = fc.constantFrom('n', 'best_of', 'max_tokens', 'max_completion_tokens', 'top_logprobs', 'max_new_tokens')
  fc.assert(
    fc.property(names, fc.oneof(fc.integer(), fc.double(), fc.string(), fc.jsonValue()), (name, value) => {
      try {
        checkCaps({ [name]: value }, caps)
        return (
          value === null ||
          (typeof value === 'boolean' && name === 'top_logprobs') ||
          (Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 1000)
        )
      } catch (err) {
        return (err as { detail: { param: string } }).detail.param === name
      }
    })
  )
})

t.test('a schema is bounded in size and in depth', async t => {
  const deep = (levels: number): object => (levels === 0 ? {} : { inner: deep(levels - 1) })
  t.doesNotThrow(() => checkCaps({ response_format: deep(20) }, caps))
  t.throws(() => checkCaps({ response_format: deep(30) }, caps), { code: 'TOLLGATE_SHAPE_CAP' })
})

t.test('a schema is bounded when it is written as text, too, and where Anthropic puts it', async t => {
  const deep = JSON.stringify(Array.from({ length: 30 }).reduce<object>(inner => ({ inner }), {}))
  for (const body of [
    { guided_json: deep },
    { structured_outputs: { json: deep } },
    { output_config: { format: { schema: JSON.parse(deep) } } }
  ]) {
    t.throws(() => checkCaps(body, caps), { code: 'TOLLGATE_SHAPE_CAP', detail: { param: Object.keys(body)[0] } })
  }
  t.doesNotThrow(() => checkCaps({ guided_json: '{"type":"object"}' }, caps))
  t.doesNotThrow(() => checkCaps({ guided_json: 'no JSON' }, caps))
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
    t.throws(() => checkCaps({ [name]: many }, caps), { code: 'TOLLGATE_SHAPE_CAP', detail: { param: name } }, name)
  }
  for (const name of ['prompt', 'text', 'input_ids']) {
    t.throws(
      () => checkCaps({ [name]: [[1], [2], [3], [4]] }, caps),
      { code: 'TOLLGATE_SHAPE_CAP', detail: { param: name } },
      name
    )
    t.doesNotThrow(() => checkCaps({ [name]: [1, 2, 3, 4] }, caps), 'one prompt of tokens')
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
