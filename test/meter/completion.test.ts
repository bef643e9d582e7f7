import fc from 'fast-check'
import t from 'tap'
import type { GateErrorCode } from '../../src/codes.ts'
import type { Engine } from '../../src/engines/table.ts'
import { GateError } from '../../src/errors.ts'
import type { Ending, Exchange, Usage } from '../../src/exchange.ts'
import { spentOf } from '../../src/limit/estimate.ts'
import { createCompletion } from '../../src/meter/completion.ts'
import { Habits } from '../../src/route/cost.ts'
import { callSize } from '../../src/tokens/call-size.ts'
import { EngineSpeed } from '../../src/tokens/engine-speed.ts'
import { TokenRatios } from '../../src/tokens/token-ratios.ts'
import { exchangeTo } from '../helpers/exchanges.ts'

const NONE: Usage = {
  source: 'none',
  inputTokens: null,
  cachedInputTokens: null,
  outputTokens: null,
  reasoningTokens: null,
  audioSeconds: null
}

interface Init {
  operation?: string
  engine?: Engine
  team?: string
  isStream?: boolean
  body?: Record<string, unknown>
  usage?: Partial<Usage> | null
  contentBytes?: number | null
  ending?: Ending
  failure?: GateErrorCode
  firstByteAtMs?: number | null
  workedMs?: number
  heldMs?: number
  overhang?: number
  isEngineFull?: boolean
}

/** 400 bytes of prompt, 200 of answer. */
function ended(init: Init = {}): Exchange {
  const { operation = 'chat', engine = 'lmdeploy', isStream = true, ending = 'answered' } = init
  const exchange = exchangeTo({ engine, operation, isStream })
  exchange.identity = { iss: 'i', sub: 's', team: init.team ?? 'a' } as unknown as Exchange['identity']
  const body = init.body ?? { messages: ['x'.repeat(400)], input: 'x'.repeat(400), max_tokens: 1_000 }
  exchange.size = { ...callSize(operation, body), textBytes: 400 }
  exchange.usage = init.usage === null ? null : { ...NONE, ...init.usage }
  exchange.contentBytes = init.contentBytes === undefined ? (isStream ? 200 : null) : init.contentBytes
  exchange.ending = ending
  exchange.attempts = 1
  exchange.status = 200
  exchange.firstByteAtMs =
    init.firstByteAtMs === undefined ? (isStream || ending === 'answered' ? 1 : null) : init.firstByteAtMs
  if (init.failure !== undefined) exchange.failure = new GateError(init.failure)
  exchange.lease = { isEngineFull: init.isEngineFull ?? null } as unknown as Exchange['lease']
  const time = {
    state: 'ended',
    workedMs: init.workedMs ?? 1_000,
    heldMs: init.heldMs ?? 0,
    overhang: () => init.overhang ?? null
  }
  Object.defineProperty(exchange, 'engineTime', { value: time })
  return exchange
}

function completing() {
  const said: unknown[] = []
  const complete = createCompletion({
    ratios: new TokenRatios(),
    speed: new EngineSpeed(),
    onGuessed: (...what) => said.push(what),
    onTold: (...what) => said.push(what)
  })
  return {
    said,
    of: (init: Init = {}) => {
      const exchange = ended(init)
      complete(exchange)
      return exchange.usage
    },
    /** Calls whose engine tells: 10 ms for each token, a token for each four bytes. */
    learn: (init: Init = {}, count = 20) => {
      for (let n = 0; n < count; n++) {
        const outputTokens = 40 + n
        complete(
          ended({
            usage: { source: 'engine_final', inputTokens: 100, outputTokens },
            contentBytes: outputTokens * 4,
            workedMs: 20 + outputTokens * 10,
            ...init
          })
        )
      }
    }
  }
}

t.test('what the engine has told stays, a 0 of its too', async t => {
  const { of } = completing()
  const final = { source: 'engine_final', inputTokens: 0, outputTokens: 0 } as const
  t.match(of({ usage: final }), final)
  const partial = { source: 'engine_partial', inputTokens: 5, outputTokens: 0 } as const
  t.match(of({ usage: partial, ending: 'client_left' }), partial)
})

t.test(
  'a stream that was left is charged for the text that came, and for its prompt, on every engine and in every mode',
  async t => {
    const { of } = completing()
    for (const engine of ['vllm', 'sglang', 'lmdeploy', 'swift', 'openai'] as const)
      for (const operation of ['chat', 'completions', 'responses', 'messages', 'generate'])
        for (const usage of [{}, null]) {
          const body = { messages: ['x'.repeat(400)], input: 'x'.repeat(400), prompt: 'x'.repeat(400) }
          const found = of({ engine, operation, ending: 'client_left', usage, body })
          t.match(
            found,
            { source: 'estimated', inputTokens: 100, outputTokens: 50, guessed: ['input', 'output'] },
            `${engine} ${operation}`
          )
        }
  }
)

t.test('a stream that was left is charged no less where its caller has named a bound that no engine obeys', async t => {
  const { of } = completing()
  const prompt = { messages: ['x'.repeat(400)], input: 'x'.repeat(400), prompt: 'x'.repeat(400) }
  for (const operation of ['chat', 'completions', 'responses', 'messages'])
    for (const more of [
      { max_new_tokens: 1 },
      { options: { num_predict: 1 } },
      { sampling_params: { max_tokens: 1 } }
    ]) {
      const found = of({ operation, ending: 'client_left', usage: {}, body: { ...prompt, ...more } })
      t.equal(found?.outputTokens, 50, `${operation} ${JSON.stringify(more)}`)
    }
})

t.test('numbers that the engine has told are kept beside those that are guessed', async t => {
  const { of } = completing()
  const usage = { source: 'engine_partial', inputTokens: 77 } as const
  t.match(of({ usage, ending: 'client_left' }), {
    source: 'estimated',
    inputTokens: 77,
    outputTokens: 50,
    guessed: ['output']
  })
})

t.test('a stream that was left is charged for what its engine makes until it knows that', async t => {
  const { of, learn } = completing()
  learn()
  // 10 ms for each token, and as long until it knows.
  t.match(of({ ending: 'client_left', usage: {} }), { inputTokens: 100, outputTokens: 51 })
  const body = { messages: ['x'.repeat(400)], max_tokens: 1_000, n: 3 }
  t.match(of({ ending: 'client_left', usage: {}, body }), { outputTokens: 53 })
  const partial = { source: 'engine_partial', inputTokens: 100, outputTokens: 40 } as const
  t.match(of({ ending: 'client_left', usage: partial }), { outputTokens: 40 }, 'what the engine has told stays')
  t.match(of({ ending: 'broken', usage: {} }), { outputTokens: 50 }, 'an engine that broke has made no more')
})

t.test('an answer in one piece that nobody waited for is charged by the time that the engine had', async t => {
  const { of, learn } = completing()
  learn({ isStream: false })
  const left = { isStream: false, ending: 'client_left' } as const
  const { outputTokens, source } = of({ ...left, workedMs: 20 + 500 * 10 }) ?? NONE
  t.ok(Math.abs((outputTokens ?? 0) - 500) < 50, `${outputTokens}`)
  t.equal(source, 'estimated')
  t.equal(of({ ...left, workedMs: 1e6 })?.outputTokens, 1_000, 'no more than the call allows')
  const many = { messages: ['x'.repeat(400)], max_tokens: 100, n: 3 }
  t.equal(of({ ...left, workedMs: 1e6, body: many })?.outputTokens, 300)
})

t.test('an engine that does not notice who has left is charged for the whole answer', async t => {
  const { of } = completing()
  t.equal(of({ engine: 'swift', isStream: false, ending: 'client_left', workedMs: 500 })?.outputTokens, 1_000)
})

t.test(
  'who leaves before the first byte pays for the prompt where the engine has begun, and nothing where it has not',
  async t => {
    const { of, learn } = completing()
    learn()
    const left = { ending: 'client_left', firstByteAtMs: null, contentBytes: 0 } as const
    t.match(of({ ...left, workedMs: 100 }), { inputTokens: 100, outputTokens: 0 })
    t.match(of({ ...left, workedMs: 0 }), { inputTokens: 0, outputTokens: 0 })
    t.match(of({ ...left, workedMs: 5_000, isEngineFull: true }), { inputTokens: 0, outputTokens: 0 })
  }
)

t.test('of a reader who stalls it is added what the engine has made behind what was read', async t => {
  const { of } = completing()
  const partial = { source: 'engine_partial', inputTokens: 100, outputTokens: 200 } as const
  const stalled = { ending: 'client_left', heldMs: 5_000 } as const
  t.match(of({ ...stalled, usage: partial, overhang: 2 }), {
    source: 'estimated',
    outputTokens: 400,
    guessed: ['output']
  })
  t.match(of({ ...stalled, usage: partial, overhang: 9 }), { outputTokens: 1_000 })
  t.match(of({ ...stalled, usage: partial, overhang: 2, heldMs: 10 }), { source: 'engine_partial', outputTokens: 200 })
})

t.test('the part of an early end that a cache had is what it was in calls of the team, and is marked', async t => {
  const { of, learn } = completing()
  const partial = { source: 'engine_partial', inputTokens: 200, outputTokens: 9 } as const
  t.match(of({ usage: partial, ending: 'client_left' }), { cachedInputTokens: null })
  learn({ usage: { source: 'engine_final', inputTokens: 100, cachedInputTokens: 25, outputTokens: 50 } })
  t.match(of({ usage: partial, ending: 'client_left' }), {
    source: 'engine_partial',
    cachedInputTokens: 50,
    guessed: ['cached_input']
  })
  t.match(of({ usage: partial, ending: 'client_left', team: 'b' }), { cachedInputTokens: null })
})

t.test('what is learned of one team changes nothing for another', async t => {
  const { of, learn } = completing()
  const before = of({ ending: 'client_left', team: 'b' })
  learn({ usage: { source: 'engine_final', inputTokens: 1, outputTokens: 10_000 }, team: 'a' })
  learn({ usage: { source: 'engine_final', inputTokens: 400, outputTokens: 400 }, team: 'a' })
  t.strictSame(of({ ending: 'client_left', team: 'b' }), before)
})

t.test('little calls, calls that broke, and answers whose reader was slow teach nothing', async t => {
  const { of, learn } = completing()
  const before = [of({ ending: 'client_left' }), of({ isStream: false, ending: 'client_left' })]
  learn({ usage: { source: 'engine_final', inputTokens: 300, outputTokens: 300 }, ending: 'client_left' })
  learn({
    usage: { source: 'engine_final', inputTokens: 100, outputTokens: 50 },
    contentBytes: 200,
    heldMs: 10,
    workedMs: 1e9
  })
  t.strictSame([of({ ending: 'client_left' }), of({ isStream: false, ending: 'client_left' })], before)
})

t.test('a call that no engine took has used nothing, and is none of which an engine told nothing', async t => {
  const { of } = completing()
  t.equal(of({ failure: 'TOLLGATE_ROUTE_FULL', ending: 'answered' })?.source, 'estimated', 'a status of 200 was taken')
  const refused = (init: Partial<Exchange>) => {
    const exchange = ended()
    Object.assign(exchange, init)
    createCompletion({ ratios: new TokenRatios(), speed: new EngineSpeed() })(exchange)
    return exchange.usage
  }
  t.equal(refused({ failure: new GateError('TOLLGATE_FORWARD_FAILED'), status: 502 }), null)
  t.equal(refused({ failure: new GateError('TOLLGATE_FORWARD_REJECTED'), status: 400 }), null)
  t.equal(refused({ attempts: 0, status: null }), null)
})

t.test('sound and routes of the operator are not guessed', async t => {
  const { of } = completing()
  t.strictSame(of({ operation: 'transcription' }), NONE)
  t.strictSame(of({ operation: '/own' }), NONE)
  t.match(of({ operation: 'embeddings', isStream: false, body: { input: 'x'.repeat(400) } }), {
    inputTokens: 100,
    outputTokens: null
  })
})

t.test('every guess is told of, and how far one would have been off', async t => {
  const { of, learn, said } = completing()
  of({ ending: 'client_left' })
  learn({ usage: { source: 'engine_final', inputTokens: 50, outputTokens: 25 }, contentBytes: 200 }, 1)
  t.strictSame(said, [
    ['input', 100],
    ['output', 50],
    ['m', 'input', 0.5],
    ['m', 'output', 0.5]
  ])
})

/** What an engine has made of a call, and what of it has been told. */
const call = fc.record({
  engine: fc.constantFrom<Engine>('vllm', 'sglang', 'lmdeploy', 'openai'),
  operation: fc.constantFrom('chat', 'completions', 'responses', 'messages', 'generate'),
  isStream: fc.boolean(),
  isLeft: fc.boolean(),
  isTold: fc.boolean(),
  promptTokens: fc.integer({ min: 10, max: 500 }),
  max: fc.integer({ min: 10, max: 400 }),
  n: fc.integer({ min: 1, max: 3 }),
  share: fc.double({ min: 0.05, max: 1, noNaN: true })
})

t.test(
  'whatever is asked and whenever a caller leaves, all are charged alike, and what the engine has made',
  async () => {
    const property = fc.property(
      fc.array(call, { minLength: 60, maxLength: 120 }),
      fc.record({
        bytesIn: fc.double({ min: 1.5, max: 7, noNaN: true }),
        bytesOut: fc.double({ min: 1.5, max: 7, noNaN: true }),
        startMs: fc.integer({ min: 10, max: 500 }),
        stepMs: fc.integer({ min: 2, max: 60 })
      }),
      (calls, { bytesIn, bytesOut, startMs, stepMs }) => {
        const { charge } = chargingBy({ bytesIn, bytesOut, startMs, stepMs })
        // What the team has asked before.
        for (let n = 0; n < 20; n++) charge({ ...LEARNED, max: 20 + 15 * n, promptTokens: 50 + 10 * n })
        const sums = { made: 0, charged: 0, madeLeft: 0, chargedLeft: 0 }
        for (const one of calls) {
          const { made, charged, queue } = charge(one)
          if (queue !== charged.input + 2 * charged.output && queue !== 10) return false
          if (spentOf(charged.usage, RESERVED, { input: 1, cached: 1, output: 1 }) !== charged.input + charged.output)
            return false
          sums.made += made
          sums.charged += charged.input + charged.output
          if (one.isLeft) {
            sums.madeLeft += made
            sums.chargedLeft += charged.input + charged.output
          }
        }
        return Math.abs(sums.charged / sums.made - 1) < 0.05 && sums.chargedLeft >= 0.75 * sums.madeLeft
      }
    )
    fc.assert(property, { numRuns: 40 })
  }
)

const RESERVED = { input: 1_000, output: 1_000, answers: 1, least: 1 }
const LEARNED = {
  engine: 'vllm',
  operation: 'chat',
  isStream: false,
  isLeft: false,
  isTold: true,
  n: 1,
  share: 1
} as const
const WORK = { inputBytes: 0, maxOutputTokens: 1e9, streamedBytes: () => 0 }
type Call = typeof call extends fc.Arbitrary<infer Value> ? Value : never

/** An engine that makes a token of each answer at a time. */
function chargingBy(of: { bytesIn: number; bytesOut: number; startMs: number; stepMs: number }) {
  const ratios = new TokenRatios()
  const complete = createCompletion({ ratios })
  return {
    charge(one: Call) {
      const steps = one.isLeft ? Math.floor(one.max * one.share) : one.max
      const output = steps * one.n
      const hasContent = one.isStream || (!one.isLeft && !one.isTold)
      // vLLM and SGLang tell in every chunk of chat and completions; others when all is made.
      const tells =
        one.isTold && (!one.isLeft || (one.isStream && one.engine !== 'lmdeploy' && one.engine !== 'openai'))
      const source = one.isLeft ? 'engine_partial' : 'engine_final'
      const exchange = ended({
        ...one,
        body: { messages: [], max_tokens: one.max, n: one.n },
        ending: one.isLeft ? 'client_left' : 'answered',
        usage: tells ? { source, inputTokens: one.promptTokens, outputTokens: output } : {},
        // A sample of what is told is read, too.
        contentBytes: hasContent || !one.isLeft ? Math.round(output * of.bytesOut) : null,
        workedMs: of.startMs + (one.promptTokens / 64 + steps) * of.stepMs
      })
      exchange.size = {
        textBytes: Math.round(one.promptTokens * of.bytesIn),
        ids: 0,
        media: 0,
        prompts: 1,
        answers: one.n,
        totalAnswers: one.n,
        maxAnswerTokens: one.max
      }
      complete(exchange)
      const usage = exchange.usage ?? NONE
      const charged = { input: usage.inputTokens ?? 0, output: usage.outputTokens ?? 0, usage }
      return { made: one.promptTokens + output, charged, queue: new Habits().costOf(exchange, WORK) }
    }
  }
}
