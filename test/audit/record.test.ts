import t from 'tap'
import { auditRecord } from '../../src/audit/record.ts'
import { GateError } from '../../src/errors.ts'
import { Exchange } from '../../src/exchange.ts'

const START = Date.UTC(2026, 0, 2, 3, 4, 5)

function exchangeOf(path = '/v1/chat/completions'): Exchange {
  const exchange = new Exchange({ id: 'r-1', startedAtMs: START, method: 'POST', path })
  exchange.endedAtMs = START + 1500
  return exchange
}

t.test('an answered call names who, what, where, how long and how much', async t => {
  const exchange = exchangeOf()
  exchange.client = { ip: '203.0.113.7', key: '203.0.113.7', peerIp: '10.0.0.1', isProxy: false }
  exchange.identity = {
    iss: 'https://idp',
    sub: 'u-1',
    team: 'red',
    scopes: new Set(['infer:text']),
    role: null,
    iatSec: 1,
    expSec: 2,
    jti: 'j',
    kid: 'k',
    alg: 'ES256',
    fingerprint: 'ab'
  }
  exchange.call = {
    operation: 'chat',
    method: 'POST',
    path: '/v1/chat/completions',
    kind: 'text',
    routeScope: null,
    routePool: null,
    model: 'qwen',
    modelAsked: 'q',
    isStream: true
  }
  exchange.target = { pool: 'p', engine: 'vllm', origin: 'http://gpu1:8000' }
  exchange.status = 200
  exchange.ending = 'answered'
  exchange.firstByteAtMs = START + 200
  exchange.bytesIn = 19
  exchange.bytesOut = 400
  const record = auditRecord(exchange)
  t.match(record, {
    '@timestamp': '2026-01-02T03:04:06.500Z',
    'event.outcome': 'success',
    'event.duration': 1_500_000_000,
    'client.ip': '203.0.113.7',
    'source.ip': '10.0.0.1',
    'user.id': 'u-1',
    'organization.id': 'red',
    'tollgate.token.iss': 'https://idp',
    'tollgate.token.iat': 1,
    'tollgate.token.exp': 2,
    'url.path': '/v1/chat/completions',
    'gen_ai.request.model': 'qwen',
    'http.response.status_code': 200,
    'http.request.body.bytes': 19,
    'http.response.body.bytes': 400,
    'tollgate.attempts': null,
    'tollgate.first_byte_ms': 200,
    'tollgate.outcome': 'answered'
  })
  t.notMatch(JSON.stringify(record), /prompt/)
})

t.test('a refusal has its code, and the reason that the caller did not get', async t => {
  const exchange = exchangeOf()
  exchange.failure = new GateError('TOLLGATE_AUTHENTICATE_INVALID', { reason: 'expired' })
  exchange.status = 401
  exchange.ending = 'answered'
  t.match(auditRecord(exchange), {
    'event.outcome': 'failure',
    'event.reason': 'expired',
    'tollgate.code': 'TOLLGATE_AUTHENTICATE_INVALID',
    'user.id': null
  })
})

t.test('what was used is written as it was said: 0 is 0, and what nobody said is null', async t => {
  const exchange = exchangeOf()
  const nothing = { cachedInputTokens: null, reasoningTokens: null, audioSeconds: null }
  exchange.usage = { source: 'engine_partial', inputTokens: 7, outputTokens: 0, ...nothing }
  t.match(auditRecord(exchange), {
    'gen_ai.usage.input_tokens': 7,
    'gen_ai.usage.output_tokens': 0,
    'tollgate.usage.source': 'engine_partial'
  })
  exchange.usage = null
  t.match(auditRecord(exchange), { 'gen_ai.usage.input_tokens': null, 'tollgate.usage.source': null })
})

t.test('a request that never got beyond the door is written down all the same', async t => {
  const exchange = exchangeOf()
  exchange.ending = 'client_left'
  t.match(auditRecord(exchange), { 'tollgate.outcome': 'client_left', 'client.ip': null, 'gen_ai.request.model': null })
})

t.test('a path that a caller made long is cut', async t => {
  const record = auditRecord(exchangeOf(`/${'a'.repeat(5000)}`))
  t.ok(String(record['url.path']).length < 600)
})

t.test('a token is told of as issued when it was made, though its caller may have left; else it was not', async t => {
  const asked = {
    grant: 'password',
    sub: 'ada',
    team: 'red',
    clientId: null,
    jti: null,
    kid: null,
    iss: null,
    iatSec: null,
    expSec: null
  } as const
  const exchange = exchangeOf('/login')
  exchange.issue = asked
  exchange.ending = 'client_left'
  t.match(auditRecord(exchange), { 'event.action': 'token.failure', 'event.outcome': 'failure', 'user.id': 'ada' })
  exchange.issue = { ...asked, jti: 'j-1', iss: 'https://gate' }
  t.match(auditRecord(exchange), {
    'event.action': 'token.issue',
    'event.outcome': 'failure',
    'tollgate.token.jti': 'j-1'
  })
})
