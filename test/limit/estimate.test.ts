import fc from 'fast-check'
import t from 'tap'
import type { Exchange } from '../../src/exchange.ts'
import { type EstimateOptions, Estimator, spentOf, weigh } from '../../src/limit/estimate.ts'
import { callSize } from '../../src/tokens/call-size.ts'
import { TokenRatios } from '../../src/tokens/token-ratios.ts'
import { asking, chat, usage } from '../helpers/limit-scene.ts'

const options: EstimateOptions = {
  reserveOutput: 'p90',
  weights: { input: 1, cached: 0.5, output: 4 },
  maxTokens: 32_000,
  maxAnswers: 256
}
const make = () => new Estimator(new TokenRatios())
const asked = ({ call, size }: Pick<Exchange, 'call' | 'size'>, team = 'team-a') => ({ call, size, team })
const of = (fields: object, more: Partial<EstimateOptions> = {}, estimator = make()) =>
  estimator.estimate(asked(chat(fields)), { ...options, ...more })
const learned = (outputs: readonly number[]) => {
  const estimator = make()
  for (const outputTokens of outputs) estimator.learn('m', usage({ outputTokens }))
  return estimator
}

t.test('as long as nothing is known, four bytes of text are a token', async t => {
  const { input } = of({ messages: [{ role: 'user', content: 'x'.repeat(4_000) }] })
  t.ok(input >= 1_000 && input < 1_020, `${input}`)
})

t.test('white space and members that no engine reads as prompt are no tokens', async t => {
  const exchange = chat({ messages: [{ role: 'user', content: 'hi' }], metadata: 'x'.repeat(100_000) })
  const bytes = Buffer.from(`${' '.repeat(1_000_000)}${JSON.stringify(exchange.content?.fields)}`)
  exchange.content = { bytes, members: new Map(), fields: exchange.content?.fields ?? {} }
  t.ok(make().estimate(asked(exchange), options).input < 20)
})

t.test('an answer is reserved as long as nine in ten were, and no longer than the call allows', async t => {
  const estimator = learned(Array.from({ length: 100 }, (_, i) => (i < 92 ? 100 : 5_000)))
  const { output } = of({}, {}, estimator)
  t.ok(output >= 100 && output <= 125, `${output}`)
  t.equal(of({ max_tokens: 7 }, {}, estimator).output, 7)
  t.equal(of({ max_completion_tokens: 7 }, {}, estimator).output, 7)
  const native = asking('generate', { sampling_params: { max_new_tokens: 7 } })
  t.equal(estimator.estimate(asked(native), options).output, 7)
  t.equal(of({ max_tokens: 1_000_000_000 }, {}, estimator).output, output)
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
  t.ok(make().estimate(asked(exchange), options).input < 1_000)
  const words = chat({ messages: [{ role: 'user', content: 'some words '.repeat(1e4) }] })
  t.ok(make().estimate(asked(words), options).input > 20_000)
})

t.test('something is reserved for everything, whatever the body is', async () => {
  fc.assert(
    fc.property(
      fc.jsonValue(),
      fc.constantFrom('chat', 'embeddings', 'tokenize', 'transcription', '/v1/own'),
      (json, operation) => {
        const exchange = chat(typeof json === 'object' && json !== null ? json : { prompt: json })
        const size = callSize(operation, exchange.content?.fields ?? {})
        for (const kind of ['text', 'multimodal'] as const) {
          const estimate = make().estimate(asked({ call: { ...exchange.call, operation, kind }, size }), options)
          if (!(estimate.input >= 1 && estimate.least >= 1 && estimate.output >= 0 && estimate.output <= 32_000))
            return false
        }
        return make().estimate(asked({ call: { ...exchange.call, operation }, size: null }), options).input >= 1
      }
    )
  )
})

t.test('tokens weigh what the operator says, those from a cache too', async t => {
  t.equal(weigh({ input: 100, cached: 40, output: 10 }, options.weights), 60 + 20 + 40)
  t.equal(weigh({ input: 10, cached: 40, output: 0 }, options.weights), 5)
  const estimate = { input: 50, output: 500, answers: 1, least: 50 }
  const spent = (said: Parameters<typeof usage>[0] | null) =>
    spentOf(said === null ? null : usage(said), estimate, options.weights)
  t.equal(spent({ inputTokens: 100, cachedInputTokens: 40, outputTokens: 10 }), 120)
  t.equal(spent({ inputTokens: 10, outputTokens: null }), 10)
})

t.test('what no engine has told is charged as it was thought, never as nothing', async t => {
  const estimate = { input: 50, output: 500, answers: 1, least: 50 }
  const one = { input: 1, cached: 1, output: 1 }
  t.equal(spentOf(null, estimate, one), 550)
  t.equal(spentOf(usage({ source: 'none', inputTokens: null, outputTokens: null }), estimate, one), 550)
  t.equal(spentOf(usage({ source: 'engine_partial', inputTokens: null, outputTokens: 3 }), estimate, one), 53)
  t.equal(spentOf(usage({ source: 'engine_partial', inputTokens: 7, outputTokens: 0 }), estimate, one), 7)
})

t.test('names of models that callers invent take no memory without end', async t => {
  const estimator = make()
  for (let i = 0; i < 5_000; i++) estimator.learn(`m-${i}`, usage())
  for (let i = 0; i < 500; i++) estimator.learn('late', usage({ outputTokens: 5 }))
  const exchange = chat({})
  exchange.call = { ...exchange.call, model: 'late' }
  t.equal(estimator.estimate(asked(exchange), options).output, 512)
})

t.test('what a call uses at least is no guess, whatever was learned of its model', async t => {
  const ratios = new TokenRatios()
  const estimator = new Estimator(ratios)
  const exchange = chat({ messages: [{ role: 'user', content: 'x'.repeat(30_000) }] })
  const size = callSize('chat', { messages: [{ role: 'user', content: 'x'.repeat(30_000) }] })
  const before = estimator.estimate(asked(exchange), options)
  for (let i = 0; i < 50; i++) ratios.learnInput({ team: 'team-a', model: 'm', operation: 'chat' }, size, 30_000)
  const after = estimator.estimate(asked(exchange), options)
  t.equal(after.least, before.least)
  t.ok(after.least < 1_000)
  t.ok(after.input > 3 * before.input)
  t.equal(estimator.estimate(asked(exchange, 'team-b'), options).input, before.input, 'of another team nothing changed')
  t.equal(of({ prompt: [1, 2, 3] }).least, 1, 'chat has no prompt')
  const ids = callSize('completions', { prompt: Array.from({ length: 5_000 }, (_, id) => id) })
  t.equal(TokenRatios.leastInputTokens(ids), 5_000)
})
