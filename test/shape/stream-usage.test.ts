import fc from 'fast-check'
import t from 'tap'
import type { Engine } from '../../src/engines/table.ts'
import type { UsageMode } from '../../src/engines/usage.ts'
import { askInForm, usageOptions } from '../../src/shape/stream-usage.ts'
import { exchangeTo } from '../helpers/exchanges.ts'

const ask = (
  own: string | null,
  of: {
    mode?: Exclude<UsageMode, 'off'>
    engine?: Engine
    operation?: string
    isStream?: boolean
    fields?: Record<string, unknown>
  } = {}
) => {
  const { mode = 'exact', engine = 'vllm', operation = 'chat', isStream = true, fields = {} } = of
  const { call, target } = exchangeTo({ engine, operation, isStream })
  return usageOptions({ mode, call, target, fields, own })
}

t.test('streams of chat and completions are asked, others are not', async t => {
  const exact = '{"include_usage":true,"continuous_usage_stats":true}'
  for (const operation of ['chat', 'completions']) {
    t.equal(ask(null, { operation }).text, exact)
    t.equal(ask('null', { operation }).text, exact)
    t.equal(ask(null, { operation, mode: 'final' }).text, '{"include_usage":true}')
    t.equal(ask(null, { operation, mode: 'native' }).text, null)
    t.equal(ask(null, { operation, isStream: false }).text, null, 'engines refuse it without a stream')
  }
  for (const operation of ['responses', 'messages', 'embeddings', 'generate', '/v1/x']) {
    t.equal(ask(null, { operation }).text, null, operation)
    t.match(ask(null, { operation }).reporting, { hidesFinal: false, hidesPartial: false, own: undefined })
  }
})

t.test('what else the options say stays as it was written', async t => {
  t.equal(
    ask('{ "seed": 9223372036854775807 ,"include_usage" : false,"x":1.0}').text,
    '{ "seed": 9223372036854775807 ,"include_usage" : true,"x":1.0,"continuous_usage_stats":true}'
  )
  t.equal(ask('{}').text, '{"include_usage":true,"continuous_usage_stats":true}')
  t.equal(ask('{"include\\u005fusage":false}', { mode: 'final' }).text, '{"include\\u005fusage":true}')
  fc.assert(
    fc.property(
      fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 6 }),
      fc.constantFrom(0, 2),
      (others, indent) => {
        const { include_usage: _, continuous_usage_stats: __, ...own } = others
        const text = JSON.stringify(own, null, indent)
        const sent = ask(text).text ?? ''
        const { include_usage, continuous_usage_stats, ...rest } = JSON.parse(sent)
        return (
          include_usage === true &&
          continuous_usage_stats === true &&
          JSON.stringify(rest) === JSON.stringify(JSON.parse(text)) &&
          sent.startsWith(text.slice(0, -1).trimEnd())
        )
      }
    )
  )
})

t.test('options that are no object, and flags that are no truth, are refused by name', async t => {
  for (const own of ['"x"', '[]', '1', 'true', '{"include_usage":1}', '{"continuous_usage_stats":"true"}'])
    t.throws(() => ask(own), { code: 'TOLLGATE_SHAPE_FIELD', detail: { param: 'stream_options' } }, own)
  t.doesNotThrow(() => ask('{"include_usage":null}'))
  t.equal(ask('"x"', { isStream: false }).text, null, 'where nothing is forced, the engine judges')
})

t.test('what a caller did not ask for is hidden; who says no gets no more than who says nothing', async t => {
  const hides = (own: string | null, engine: Engine = 'vllm') => {
    const { hidesFinal, hidesPartial } = ask(own, { engine }).reporting
    return [hidesFinal, hidesPartial]
  }
  for (const own of [null, 'null', '{}', '{"include_usage":false}', '{"include_usage":null}'])
    t.strictSame(hides(own), [true, true], String(own))
  t.strictSame(hides('{"include_usage":true}'), [false, true])
  t.strictSame(hides('{"include_usage":true,"continuous_usage_stats":true}'), [false, false])
  t.strictSame(hides('{"continuous_usage_stats":true}'), [true, true], 'means nothing to vLLM without the other')
  t.strictSame(hides('{"continuous_usage_stats":true}', 'sglang'), [true, false], 'and something to SGLang')
})

t.test('answers and prompts are counted', async t => {
  const counts = (fields: Record<string, unknown>) => {
    const { choices, prompts } = ask(null, { fields }).reporting
    return [choices, prompts]
  }
  t.strictSame(counts({}), [1, 1])
  t.strictSame(counts({ n: 3, prompt: ['a', 'b'] }), [3, 2])
  t.strictSame(counts({ n: null, prompt: [1, 2, 3] }), [1, 1])
  t.strictSame(counts({ prompt: [[1], [2]] }), [1, 2])
  t.strictSame(counts({ prompt: [1, 'a', 'b'] }), [1, 3])
})

t.test('forms are asked by fields of their own', async t => {
  const fields = new Map<string, readonly string[]>([['stream', ['true']]])
  t.match(askInForm(fields, true, 'exact'), { hidesFinal: true, hidesPartial: true })
  t.strictSame(fields.get('stream_include_usage'), ['true'])
  t.strictSame(fields.get('stream_continuous_usage_stats'), ['true'])
  const asking = new Map<string, readonly string[]>([['stream_include_usage', ['True']]])
  t.match(askInForm(asking, true, 'final'), { hidesFinal: false, hidesPartial: true })
  t.equal(asking.has('stream_continuous_usage_stats'), false)
  const native = new Map<string, readonly string[]>()
  t.match(askInForm(native, true, 'native'), { hidesFinal: false, hidesPartial: false })
  t.equal(native.size, 0)
  t.match(askInForm(native, false, 'exact'), { hidesFinal: false })
  t.equal(native.size, 0)
})
