import t from 'tap'
import type { GateErrorCode } from '../../src/codes.ts'
import { GateError } from '../../src/errors.ts'
import { Exchange, type Identity } from '../../src/exchange.ts'
import { Families } from '../../src/metrics/families.ts'
import { Names } from '../../src/metrics/names.ts'
import { createObserver } from '../../src/metrics/observe.ts'
import { exchangeTo } from '../helpers/exchanges.ts'
import { readScrape } from '../helpers/scrape.ts'

const IDENTITY: Identity = {
  iss: 'https://idp',
  sub: 'u-1',
  team: 'red',
  scopes: new Set(),
  role: null,
  iatSec: 0,
  expSec: 1,
  jti: null,
  kid: null,
  alg: 'ES256',
  fingerprint: 'f'
}

/** What is told of exchanges that ended like this. */
async function observed(...exchanges: readonly Exchange[]) {
  const families = new Families()
  const observe = createObserver(families, {
    teams: new Names({ isKnown: name => name === 'red', max: 10 }),
    models: new Names({ isKnown: name => name === 'm', max: 10 }),
    issuerOf: () => 'corp'
  })
  for (const exchange of exchanges) observe(exchange)
  return readScrape(await families.text())
}

/** A call that was sent to an engine and answered. */
function call(more: Partial<Exchange> = {}): Exchange {
  const exchange = exchangeTo({ engine: 'vllm', operation: 'chat' })
  exchange.identity = IDENTITY
  return Object.assign(exchange, {
    attempts: 1,
    status: 200,
    ending: 'answered',
    firstByteAtMs: 250,
    endedAtMs: 2_000,
    ...more
  })
}

t.test('an answered stream: its status, how long it took, and when its first piece came', async t => {
  const now = await observed(call())
  t.equal(now.value('tollgate_requests_total', { team: 'red', model: 'm', op: 'chat', code: '200' }), 1)
  t.equal(now.value('tollgate_request_duration_seconds_sum', { model: 'm', op: 'chat', stream: 'true' }), 2)
  t.equal(now.value('tollgate_time_to_first_token_seconds_sum', { model: 'm', pool: 'p' }), 0.25)
  t.equal(now.value('tollgate_upstream_requests_total', { pool: 'p', target: 'http://e', code: '200' }), 1)
  t.equal(now.value('tollgate_auth_total', { result: 'ok', issuer: 'corp' }), 1)
  t.equal(now.sum('tollgate_errors_total') + now.sum('tollgate_client_disconnects_total'), 0)
})

t.test('a caller who left is 499, before the first piece or behind it, and no fault of the engine', async t => {
  const now = await observed(
    call({ ending: 'client_left', status: null, firstByteAtMs: null }),
    call({ ending: 'client_left' })
  )
  t.equal(now.sum('tollgate_requests_total', { code: '499' }), 2)
  t.equal(now.value('tollgate_client_disconnects_total', { model: 'm', phase: 'before_first_token' }), 1)
  t.equal(now.value('tollgate_client_disconnects_total', { model: 'm', phase: 'streaming' }), 1)
  t.equal(now.sum('tollgate_stream_interruptions_total'), 0)
})

t.test('a stream that broke, also one whose engine said so itself, and one that a caller was to blame for', async t => {
  const now = await observed(
    call({ ending: 'broken', failure: new GateError('TOLLGATE_FORWARD_BROKEN') }),
    call({ failure: new GateError('TOLLGATE_FORWARD_FAILED') }),
    call({ ending: 'broken', failure: new GateError('TOLLGATE_FORWARD_SHUTDOWN') }),
    call({ status: 101, failure: new GateError('TOLLGATE_AUTHENTICATE_ENDED') })
  )
  t.strictSame(
    now.series('tollgate_stream_interruptions_total').map(({ labels, value }) => [labels.reason, value]),
    [
      ['upstream_reset', 1],
      ['upstream_error', 1],
      ['drain', 1]
    ]
  )
  t.equal(now.sum('tollgate_upstream_requests_total', { code: '200' }), 3)
})

t.test('every try at an engine counts, with what was wrong with it', async t => {
  const target = { pool: 'p', engine: 'vllm', origin: 'http://dead' } as const
  const late = new GateError('TOLLGATE_FORWARD_CONNECT')
  const now = await observed(
    call({ attempts: 2, failedTries: [{ target, error: late }] }),
    call({ status: 502, firstByteAtMs: null, failure: new GateError('TOLLGATE_FORWARD_FAILED', { status: 500 }) })
  )
  const dead = { pool: 'p', target: 'http://dead' }
  t.equal(now.value('tollgate_upstream_requests_total', { ...dead, code: 'connect' }), 1)
  t.equal(now.value('tollgate_upstream_retries_total', { ...dead, reason: 'connect' }), 1)
  t.equal(now.value('tollgate_timeouts_total', { pool: 'p', which: 'connect' }), 1)
  t.equal(now.value('tollgate_upstream_requests_total', { pool: 'p', target: 'http://e', code: '500' }), 1)
})

t.test('what no room has judged is counted all the same', async t => {
  const refused = new Exchange({ id: 'r', startedAtMs: 5, method: 'BREW', path: '/hidden-place' })
  refused.status = 405
  refused.ending = 'answered'
  refused.endedAtMs = 3
  refused.failure = new GateError('TOLLGATE_ACCEPT_METHOD')
  const now = await observed(refused)
  t.equal(now.value('tollgate_requests_total', { team: 'none', model: 'none', op: 'none', code: '405' }), 1)
  t.equal(now.sum('tollgate_request_duration_seconds_sum'), 0, 'a clock that was set back takes no time')
  t.equal(now.sum('tollgate_auth_total'), 0)
  t.notMatch(now.text, 'hidden')
})

t.test('tokens that nobody has counted are no tokens, and zeros are', async t => {
  const said = { cachedInputTokens: null, reasoningTokens: 2, audioSeconds: 1.5 }
  const now = await observed(
    call({ usage: { source: 'engine_final', inputTokens: 5, outputTokens: 0, ...said } }),
    call({ usage: { source: 'none', inputTokens: null, outputTokens: null, ...said, audioSeconds: null } })
  )
  const labels = { team: 'red', model: 'm', op: 'chat' }
  t.equal(now.value('tollgate_input_tokens_total', labels), 5)
  t.equal(now.value('tollgate_output_tokens_total', labels), 0)
  t.equal(now.value('tollgate_cached_input_tokens_total', labels), undefined)
  t.equal(now.value('tollgate_reasoning_output_tokens_total', labels), 4)
  t.equal(now.value('tollgate_audio_seconds_total', { team: 'red', model: 'm' }), 1.5)
  t.equal(now.sum('tollgate_usage_events_total', { source: 'none' }), 1)
})

t.test('a route that the operator opened is no label', async t => {
  const opened = exchangeTo({ engine: 'vllm', operation: '/v1/fine_tuning/jobs' })
  const now = await observed(opened)
  t.equal(now.sum('tollgate_requests_total', { op: 'route' }), 1)
  t.notMatch(now.text, 'fine_tuning')
})

t.test('what limits refuse is counted by team, limit and kind', async t => {
  const refused = (code: GateErrorCode, detail: object = {}) =>
    call({ attempts: 0, status: 429, firstByteAtMs: null, failure: new GateError(code, { ...detail }) })
  const now = await observed(
    refused('TOLLGATE_LIMIT_RATE', { policy: 'team.rpm' }),
    refused('TOLLGATE_LIMIT_RATE', { policy: 'team.rpm' }),
    refused('TOLLGATE_LIMIT_BUDGET', { policy: 'team.tokens_per_month' }),
    refused('TOLLGATE_LIMIT_SUSPENDED')
  )
  t.strictSame(
    now.series('tollgate_limit_refusals_total').map(({ labels, value }) => ({ ...labels, value })),
    [
      { team: 'red', policy: 'team.rpm', reason: 'rate', value: 2 },
      { team: 'red', policy: 'team.tokens_per_month', reason: 'budget', value: 1 },
      { team: 'red', policy: 'none', reason: 'suspended', value: 1 }
    ]
  )
})

t.test(
  'how fast a stream is: by the tokens behind the first, where the engine has counted them to the end',
  async t => {
    const used = {
      source: 'engine_final',
      inputTokens: 1,
      cachedInputTokens: null,
      outputTokens: 36,
      reasoningTokens: null,
      audioSeconds: null
    } as const
    const now = await observed(
      call({ usage: used }),
      call({ usage: { ...used, outputTokens: 1 } }),
      call({ usage: { ...used, source: 'estimated' } }),
      call({ usage: used, ending: 'client_left' }),
      call({ usage: used, failure: new GateError('TOLLGATE_FORWARD_FAILED') }),
      call({ usage: used, firstByteAtMs: null })
    )
    const place = { model: 'm', pool: 'p' }
    t.equal(now.value('tollgate_time_per_output_token_seconds_count', place), 1)
    t.equal(now.value('tollgate_time_per_output_token_seconds_sum', place), 0.05)
  }
)

t.test('how large calls are, in tokens and bytes; what was not counted, or not read, is no call of size 0', async t => {
  const used = {
    source: 'engine_final',
    inputTokens: 1_000,
    cachedInputTokens: null,
    outputTokens: null,
    reasoningTokens: null,
    audioSeconds: null
  } as const
  const now = await observed(
    call({ bytesIn: 5_000, usage: used }),
    call({ usage: { ...used, inputTokens: 24, outputTokens: 0 } })
  )
  t.equal(now.value('tollgate_request_body_bytes_count', { model: 'm' }), 1)
  t.equal(now.value('tollgate_request_body_bytes_sum', { model: 'm' }), 5_000)
  t.equal(now.value('tollgate_input_tokens_per_request_count', { model: 'm' }), 2)
  t.equal(now.value('tollgate_input_tokens_per_request_sum', { model: 'm' }), 1_024)
  t.equal(now.value('tollgate_output_tokens_per_request_bucket', { model: 'm', le: '1' }), 1)
  t.equal(now.value('tollgate_output_tokens_per_request_count', { model: 'm' }), 1)
})

t.test('the own time of the gate is told of calls that went out, whatever came of them', async t => {
  const [out, left] = [call(), call({ ending: 'client_left', status: null, firstByteAtMs: null })]
  out.wentOut()
  left.wentOut()
  const now = await observed(out, left, call({ attempts: 0, failure: new GateError('TOLLGATE_LIMIT_RATE') }))
  t.equal(now.value('tollgate_gateway_overhead_seconds_count', { op: 'chat' }), 2)
  const told = now.value('tollgate_gateway_overhead_seconds_sum', { op: 'chat' })
  t.equal(told, (out.ownMs ?? 0) / 1000 + (left.ownMs ?? 0) / 1000)
})
