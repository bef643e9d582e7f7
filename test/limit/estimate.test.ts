import fc from 'fast-check'
import t from 'tap'
import { type EstimateOptions, Estimator, spentOf, weigh } from '../../src/limit/estimate.ts'
import { chat, usage } from '../helpers/limit-scene.ts'

const options: EstimateOptions = {
  reserveOutput: 'p90',
  weights: { input: 1, cached: 0.5, output: 4 },
  maxTokens: 32_000,
  maxAnswers: 256
}
const of = (fields: object, more: Partial<EstimateOptions> = {}, estimator = new Estimator()) => {
  const { call, content } = chat(fields)
  return estimator.estimate(call, content, { ...options, ...more })
}
const learned = (pairs: readonly (readonly [bytes: number, input: number, output: number])[]) => {
  const estimator = new Estimator()
  for (const [bytes, inputTokens, outputTokens] of pairs)
    estimator.learn('m', bytes, usage({ inputTokens, outputTokens }))
  return estimator
}

t.test('as long as nothing is known, four bytes are a token', async t => {
  const text = 'x'.repeat(4_000)
  const { input, textBytes } = of({ messages: [{ role: 'user', content: text }] })
  t.equal(input, Math.ceil(textBytes / 4))
  t.ok(input >= 1_000)
})

t.test('what is known of a model takes its place, within bounds', async t => {
  const ratio = (bytes: number) => {
    const estimator = learned(Array.from({ length: 500 }, () => [bytes, 1_000, 1] as const))
    const { input, textBytes } = of({ prompt: 'x'.repeat(10_000) }, {}, estimator)
    return textBytes / input
  }
  t.ok(Math.abs(ratio(3_000) - 3) < 0.2)
  t.ok(Math.abs(ratio(100_000) - 16) < 0.1)
  t.ok(Math.abs(ratio(1) - 1) < 0.1)
})

t.test('an answer is reserved as long as nine in ten were, and no longer than the call allows', async t => {
  const estimator = learned(Array.from({ length: 100 }, (_, i) => [0, 10, i < 92 ? 100 : 5_000] as const))
  const { output } = of({}, {}, estimator)
  t.ok(output >= 100 && output <= 125, `${output}`)
  t.equal(of({ max_tokens: 7 }, {}, estimator).output, 7)
  t.equal(of({ max_completion_tokens: 7 }, {}, estimator).output, 7)
  t.equal(of({ sampling_params: { max_new_tokens: 7 } }, {}, estimator).output, 7)
  t.equal(of({ max_output_tokens: 1_000_000_000 }, {}, estimator).output, output)
})

t.test('a billion tokens of answer reserve no more than the cap', async t => {
  t.equal(of({ max_tokens: 1_000_000_000 }, { reserveOutput: 'max_tokens' }).output, 32_000)
  t.equal(of({ max_tokens: 30_000, n: 1_000_000_000 }, { reserveOutput: 'max_tokens' }).output, 256 * 30_000)
  t.equal(of({ max_tokens: -5 }, { reserveOutput: 'max_tokens' }).output, 32_000)
  t.equal(of({}, { reserveOutput: 'none' }).output, 0)
})

t.test('what was only guessed makes no request too large', async t => {
  t.ok(of({}).least < 30)
  t.ok(of({}, { reserveOutput: 'max_tokens' }).least < 30)
  t.ok(of({ max_tokens: 1_000 }, { reserveOutput: 'max_tokens' }).least > 4_000)
})

t.test('media in base64 are no text', async t => {
  const exchange = chat({
    messages: [{ role: 'user', content: [{ image_url: { url: `data:image/png;base64,${'A'.repeat(1e6)}` } }] }]
  })
  const call = { ...exchange.call, kind: 'multimodal' as const }
  t.ok(new Estimator().estimate(call, exchange.content, options).input < 100)
  const words = chat({ messages: [{ role: 'user', content: 'some words '.repeat(1e4) }] })
  t.ok(new Estimator().estimate({ ...words.call, kind: 'multimodal' }, words.content, options).input > 20_000)
})

t.test('something is reserved for everything, whatever the body is', async () => {
  fc.assert(
    fc.property(
      fc.jsonValue(),
      fc.constantFrom('chat', 'embeddings', 'tokenize', 'transcription', '/v1/own'),
      (json, operation) => {
        const exchange = chat(typeof json === 'object' && json !== null ? json : { prompt: json })
        for (const kind of ['text', 'multimodal'] as const) {
          const estimate = new Estimator().estimate({ ...exchange.call, operation, kind }, exchange.content, options)
          if (!(estimate.input >= 1 && estimate.least >= 1 && estimate.output >= 0 && estimate.output <= 32_000))
            return false
        }
        return new Estimator().estimate({ ...exchange.call, operation }, null, options).input >= 1
      }
    )
  )
})

t.test('tokens weigh what the operator says, those from a cache too', async t => {
  t.equal(weigh({ input: 100, cached: 40, output: 10 }, options.weights), 60 + 20 + 40)
  t.equal(weigh({ input: 10, cached: 40, output: 0 }, options.weights), 5)
  const estimate = { input: 50, output: 500, answers: 1, least: 50, textBytes: 0 }
  const spent = (said: Parameters<typeof usage>[0] | null) =>
    spentOf(said === null ? null : usage(said), estimate, options.weights)
  t.equal(spent({ inputTokens: 100, cachedInputTokens: 40, outputTokens: 10 }), 120)
  t.equal(spent({ inputTokens: 10, outputTokens: null }), 10)
})

t.test('what no engine has told is charged as it was thought, never as nothing', async t => {
  const estimate = { input: 50, output: 500, answers: 1, least: 50, textBytes: 0 }
  const one = { input: 1, cached: 1, output: 1 }
  t.equal(spentOf(null, estimate, one), 550)
  t.equal(spentOf(usage({ source: 'none', inputTokens: null, outputTokens: null }), estimate, one), 550)
  t.equal(spentOf(usage({ source: 'engine_partial', inputTokens: null, outputTokens: 3 }), estimate, one), 53)
  t.equal(spentOf(usage({ source: 'engine_partial', inputTokens: 7, outputTokens: 0 }), estimate, one), 7)
})

t.test('names of models that callers invent take no memory without end', async t => {
  const estimator = new Estimator()
  for (let i = 0; i < 5_000; i++) estimator.learn(`m-${i}`, 10, usage())
  for (let i = 0; i < 500; i++) estimator.learn('late', 1_000, usage({ inputTokens: 1_000 }))
  const { call, content } = chat({ prompt: 'x'.repeat(1_000) })
  t.equal(
    estimator.estimate({ ...call, model: 'late' }, content, options).input,
    Math.ceil((content?.bytes.length ?? 0) / 4)
  )
})
