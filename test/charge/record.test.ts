import t from 'tap'
import { callData, crashData, outcomeOf, usageData } from '../../src/charge/record.ts'
import type { GateErrorCode } from '../../src/codes.ts'
import { GateError } from '../../src/errors.ts'
import type { Ending, Exchange } from '../../src/exchange.ts'
import { exchangeTo } from '../helpers/exchanges.ts'

function identified(): Exchange {
  const exchange = exchangeTo({ engine: 'vllm', operation: 'chat' })
  exchange.client = { ip: '203.0.113.7', key: '203.0.113.7', peerIp: '10.0.0.1', isProxy: false }
  exchange.identity = {
    iss: 'https://idp.example.com',
    sub: 'u-1',
    team: 'team-red',
    scopes: new Set(['infer:text']),
    role: null,
    iatSec: 1,
    expSec: 2,
    jti: 'the-jti',
    kid: 'the-kid',
    alg: 'ES256',
    fingerprint: 'the-fingerprint'
  }
  return exchange
}

t.test('a usage says who, what, where, how much and how it ended', async t => {
  const exchange = identified()
  exchange.call = { ...exchange.call, modelAsked: 'alias' }
  exchange.bytesIn = 8_211
  exchange.bytesOut = 61_230
  exchange.firstByteAtMs = 212
  exchange.endedAtMs = 9_120
  exchange.status = 200
  exchange.attempts = 2
  exchange.ending = 'answered'
  exchange.usage = {
    source: 'engine_final',
    inputTokens: 1_203,
    cachedInputTokens: 0,
    outputTokens: 412,
    reasoningTokens: null,
    audioSeconds: null
  }
  t.strictSame(usageData(exchange, { config: 'sha256:ab', wentOut: true, usage: exchange.usage }), {
    request_id: 'r-1',
    team: 'team-red',
    sub: 'u-1',
    iss: 'https://idp.example.com',
    op: 'chat',
    api: '/x',
    stream: true,
    model_requested: 'alias',
    model_served: 'm',
    pool: 'p',
    target: 'http://e',
    engine: 'vllm',
    bytes_in: 8_211,
    config: 'sha256:ab',
    v: 1,
    status: 200,
    outcome: 'completed',
    code: null,
    attempt: 2,
    usage: {
      source: 'engine_final',
      input: 1_203,
      cached_input: 0,
      output: 412,
      reasoning_output: null,
      audio_seconds: null,
      requests: 1
    },
    bytes_out: 61_230,
    ms: { ttft: 212, total: 9_120 }
  })
})

t.test('no address of a caller, no token and nothing of a body is in it, and texts of callers are bounded', async t => {
  const exchange = identified()
  exchange.call = { ...exchange.call, model: 'x'.repeat(50_000), modelAsked: 'x'.repeat(50_000) }
  exchange.outgoing = { bytes: Buffer.from('the prompt'), type: 'application/json' }
  const text = JSON.stringify(usageData(exchange, { config: 'sha256:ab', wentOut: true, usage: exchange.usage }))
  for (const secret of ['203.0.113.7', '10.0.0.1', 'the-jti', 'the-fingerprint', 'the prompt', 'infer:text'])
    t.notOk(text.includes(secret), secret)
  t.ok(text.length < 2_000)
})

t.test('an end is called by what has happened', async t => {
  const outcome = (ending: Ending, code: GateErrorCode | null, wentOut = true, firstByteAtMs: number | null = null) => {
    const exchange = identified()
    exchange.ending = ending
    exchange.failure = code === null ? null : new GateError(code)
    exchange.firstByteAtMs = firstByteAtMs
    return outcomeOf(exchange, wentOut)
  }
  t.equal(outcome('answered', null), 'completed')
  t.equal(outcome('client_left', null), 'client_closed')
  t.equal(outcome('client_left', 'TOLLGATE_ACCEPT_STALLED', true, 1), 'client_closed')
  t.equal(outcome('broken', 'TOLLGATE_FORWARD_BROKEN', true, 1), 'upstream_error')
  t.equal(outcome('answered', 'TOLLGATE_FORWARD_FAILED'), 'upstream_error')
  t.equal(outcome('answered', 'TOLLGATE_FORWARD_BUSY'), 'upstream_error')
  t.equal(outcome('broken', 'TOLLGATE_FORWARD_IDLE', true, 1), 'timeout')
  t.equal(outcome('answered', 'TOLLGATE_FORWARD_FIRST_BYTE'), 'timeout')
  t.equal(outcome('broken', 'TOLLGATE_FORWARD_SHUTDOWN', true, 1), 'drained')
  t.equal(outcome('answered', 'TOLLGATE_FORWARD_REJECTED'), 'rejected')
  t.equal(outcome('answered', 'TOLLGATE_ROUTE_FULL', false), 'rejected')
  t.equal(outcome('broken', 'TOLLGATE_AUTHENTICATE_ENDED', true, 1), 'client_closed')
})

t.test('prompts, answers and which numbers are guesses are written down', async t => {
  const exchange = identified()
  exchange.size = { textBytes: 0, ids: 0, media: 0, prompts: 2, answers: 3, totalAnswers: 6, maxAnswerTokens: null }
  const usage = {
    source: 'estimated',
    inputTokens: 1,
    cachedInputTokens: 0,
    outputTokens: 2,
    reasoningTokens: null
  } as const
  t.match(
    usageData(exchange, {
      config: '',
      wentOut: true,
      usage: { ...usage, audioSeconds: null, guessed: ['input', 'cached_input'] }
    }),
    { prompts: 2, answers: 3, usage: { source: 'estimated', estimated: ['input', 'cached_input'] } }
  )
})

t.test('a clock that was set back makes no time less than nothing', async t => {
  const exchange = identified()
  exchange.firstByteAtMs = -10
  exchange.endedAtMs = -5
  t.strictSame(usageData(exchange, { config: '', wentOut: true, usage: exchange.usage }).ms, { ttft: 0, total: 0 })
})

t.test('of a call whose gate has died it is said who and what, and that no more is known', async t => {
  const open = { call: 7, ...callData(identified(), 'sha256:ab') }
  t.match(crashData(open), {
    ...open,
    status: null,
    outcome: 'gateway_crash',
    usage: { source: 'none', input: null, output: null, requests: 1 },
    ms: { ttft: null, total: null }
  })
})
