import t from 'tap'
import { type EstimateOptions, Estimator } from '../../src/charge/estimate.ts'
import { GateError } from '../../src/errors.ts'
import type { Exchange, Usage } from '../../src/exchange.ts'
import { exchangeTo } from '../helpers/exchanges.ts'

const NONE: Usage = {
  source: 'none',
  inputTokens: null,
  cachedInputTokens: null,
  outputTokens: null,
  reasoningTokens: null,
  audioSeconds: null
}

function ended(
  init: {
    operation?: string
    bytesIn?: number
    contentBytes?: number | null
    usage?: Partial<Usage> | null
    ending?: 'answered' | 'client_left'
    model?: string
    kind?: 'text' | 'multimodal'
    firstByteAtMs?: number | null
  } = {}
): Exchange {
  const exchange = exchangeTo({ engine: 'lmdeploy', operation: init.operation ?? 'chat' })
  exchange.call = { ...exchange.call, model: init.model ?? 'm', kind: init.kind ?? 'text' }
  exchange.bytesIn = init.bytesIn ?? 400
  exchange.contentBytes = init.contentBytes === undefined ? 200 : init.contentBytes
  exchange.usage = init.usage === null ? null : { ...NONE, ...init.usage }
  exchange.ending = init.ending ?? 'answered'
  exchange.firstByteAtMs = init.firstByteAtMs === undefined ? 1 : init.firstByteAtMs
  return exchange
}

const make = (options: Partial<EstimateOptions> = {}) =>
  new Estimator({ onAbort: 'estimate', onMissing: 'estimate', ...options })
const told = (inputTokens: number, outputTokens: number) =>
  ({ source: 'engine_final', inputTokens, outputTokens }) as const

t.test('what the engine has said stands, a 0 of its too', async t => {
  const usage = { source: 'engine_final', inputTokens: 0, outputTokens: 0 } as const
  t.match(make().complete(ended({ usage })), usage)
  t.match(
    make().complete(
      ended({ usage: { source: 'engine_partial', inputTokens: 5, outputTokens: 0 }, ending: 'client_left' })
    ),
    {
      source: 'engine_partial',
      outputTokens: 0
    }
  )
})

t.test('where it has said nothing, four bytes are a token as long as nothing better is known', async t => {
  t.match(make().complete(ended()), { source: 'estimated', inputTokens: 100, outputTokens: 50 })
  t.match(make().complete(ended({ ending: 'client_left' })), { source: 'estimated', outputTokens: 50 })
})

t.test(
  'what a token of a model is like is learned from calls whose engine has told, and of no other model',
  async t => {
    const estimator = make()
    estimator.complete(ended({ usage: told(200, 100), bytesIn: 400, contentBytes: 200 }))
    t.match(estimator.complete(ended()), { inputTokens: 200, outputTokens: 100 })
    t.match(estimator.complete(ended({ model: 'other' })), { inputTokens: 100, outputTokens: 50 })
    for (let n = 0; n < 100; n++) estimator.complete(ended({ usage: told(50, 20) }))
    t.match(estimator.complete(ended()), { inputTokens: 50, outputTokens: 20 })
  }
)

t.test('little calls, calls that broke, and what was not counted teach nothing', async t => {
  const estimator = make()
  estimator.complete(ended({ usage: told(3, 3) }))
  estimator.complete(ended({ usage: told(300, 300), ending: 'client_left' }))
  estimator.complete(ended({ usage: told(300, 300), contentBytes: null, kind: 'multimodal' }))
  t.match(estimator.complete(ended()), { inputTokens: 100, outputTokens: 50 })
})

t.test('numbers that are there are kept beside those that are guessed', async t => {
  const usage = { source: 'engine_partial', inputTokens: 77 } as const
  t.match(make().complete(ended({ usage, ending: 'client_left' })), {
    source: 'estimated',
    inputTokens: 77,
    outputTokens: 50,
    cachedInputTokens: null
  })
})

t.test('nothing is guessed of pictures, of sound, before a first byte, or where nothing is counted', async t => {
  t.match(make().complete(ended({ kind: 'multimodal' })), { inputTokens: null, outputTokens: 50 })
  t.strictSame(make().complete(ended({ operation: 'transcription' })), NONE)
  t.strictSame(make().complete(ended({ firstByteAtMs: null })), NONE)
  t.equal(make().complete(ended({ usage: null })), null)
  t.match(make().complete(ended({ operation: 'embeddings' })), { inputTokens: 100, outputTokens: null })
})

t.test('the operator says what is guessed', async t => {
  const abort = ended({ ending: 'client_left' })
  const broken = ended()
  broken.failure = new GateError('TOLLGATE_FORWARD_BROKEN')
  t.strictSame(make({ onAbort: 'last_reported' }).complete(abort), NONE)
  t.strictSame(make({ onAbort: 'last_reported' }).complete(broken), NONE)
  t.match(make({ onAbort: 'last_reported' }).complete(ended()), { source: 'estimated' })
  t.strictSame(make({ onMissing: 'free' }).complete(ended()), NONE)
  t.match(make({ onMissing: 'free' }).complete(abort), { source: 'estimated' })
})

t.test('however many models there are, only the latest are remembered', async t => {
  const estimator = make()
  const learn = (model: string) => estimator.complete(ended({ model, usage: told(200, 100) }))
  for (let n = 0; n < 256; n++) learn(`m-${n}`)
  learn('m-0')
  learn('more')
  t.match(estimator.complete(ended({ model: 'm-0' })), { inputTokens: 200 })
  t.match(estimator.complete(ended({ model: 'm-1' })), { inputTokens: 100 })
})

t.test('whoever counts is told of every guess, and of how far a guess would have been off', async t => {
  const said: unknown[] = []
  const estimator = new Estimator(
    { onAbort: 'estimate', onMissing: 'estimate' },
    { onGuessed: (...what) => said.push(what), onTold: (...what) => said.push(what) }
  )
  estimator.complete(ended())
  estimator.complete(ended({ usage: { source: 'engine_final', inputTokens: 50, outputTokens: 25 } }))
  // Eight bytes of a token are known now.
  estimator.complete(ended({ usage: { source: 'engine_final', inputTokens: 100, outputTokens: 25 } }))
  estimator.complete(ended({ usage: { source: 'engine_partial', inputTokens: 7 }, ending: 'client_left' }))
  t.strictSame(said, [
    ['input', 100],
    ['output', 50],
    ['m', 'input', 0.5],
    ['m', 'output', 0.5],
    ['m', 'input', 2],
    ['m', 'output', 1],
    ['output', 25]
  ])
})
