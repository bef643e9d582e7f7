import t from 'tap'
import { blamesEngine, failureFrom, timeoutError } from '../../src/forward/failures.ts'
import { DnsError } from '../../src/resolve/names.ts'

const at = { pool: 'p', origin: 'http://10.0.0.1:8000', wasSent: false }
const sent = { ...at, wasSent: true }

function withCode(code: string): Error {
  return Object.assign(new Error('connect ECONNREFUSED 10.0.0.1:8000'), { code })
}

t.test('P0-5: an engine that cannot be reached is a 503 of ours, without its address in the words', async t => {
  for (const code of ['ECONNREFUSED', 'ENETUNREACH', 'EHOSTUNREACH']) {
    const error = failureFrom(withCode(code), at)
    t.equal(error.code, 'TOLLGATE_FORWARD_UNREACHABLE', code)
    t.notMatch(error.message, /10\.0\.0\.1/)
  }
  t.equal(failureFrom(new AggregateError([withCode('ECONNREFUSED')]), at).code, 'TOLLGATE_FORWARD_UNREACHABLE')
})

t.test(
  'a name that cannot be resolved has a code of its own, says why to the operator alone, and nothing of its engine',
  async t => {
    const cause = new DnsError('DNS_TIMEOUT', 'gpu.example', 'no answer of the name servers (10.0.0.10)')
    const error = failureFrom(cause, at)
    t.equal(error.code, 'TOLLGATE_FORWARD_DNS')
    t.equal(error.told.status, 503)
    t.match(error.detail, {
      cause: 'DNS_TIMEOUT',
      name: 'gpu.example',
      why: 'no answer of the name servers (10.0.0.10)'
    })
    t.notMatch(JSON.stringify(error.told) + error.message, /gpu\.example|10\.0\.0\.10/)
    t.equal(blamesEngine(error), false)
    t.equal(blamesEngine(failureFrom(withCode('ECONNREFUSED'), at)), true)
  }
)

t.test('a connection that does not come about in time has a code of its own', async t => {
  for (const code of ['UND_ERR_CONNECT_TIMEOUT', 'ETIMEDOUT']) {
    t.equal(failureFrom(withCode(code), at).code, 'TOLLGATE_FORWARD_CONNECT', code)
  }
  t.equal(
    failureFrom(withCode('ETIMEDOUT'), sent).code,
    'TOLLGATE_FORWARD_RESET',
    'one that there was is another thing'
  )
})

t.test('what this machine has run out of is no fault of an engine', async t => {
  for (const code of ['EMFILE', 'ENFILE', 'ENOBUFS', 'EADDRNOTAVAIL']) {
    const error = failureFrom(withCode(code), at)
    t.equal(error.code, 'TOLLGATE_FORWARD_SOCKETS', code)
    t.equal(error.row.fault, 'gate')
  }
})

t.test('a connection that closes after the request was sent is a 502: the engine may have begun', async t => {
  for (const code of ['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET']) {
    t.equal(failureFrom(withCode(code), sent).code, 'TOLLGATE_FORWARD_RESET', code)
  }
  t.equal(failureFrom(withCode('ECONNRESET'), at).code, 'TOLLGATE_FORWARD_UNREACHABLE')
})

t.test('a certificate that is not trusted is named as such', async t => {
  for (const code of ['DEPTH_ZERO_SELF_SIGNED_CERT', 'ERR_TLS_CERT_ALTNAME_INVALID', 'CERT_HAS_EXPIRED']) {
    t.equal(failureFrom(withCode(code), at).code, 'TOLLGATE_FORWARD_TLS', code)
  }
})

t.test('bytes that are no HTTP are no answer', async t => {
  t.equal(failureFrom(withCode('HPE_INVALID_CONSTANT'), sent).code, 'TOLLGATE_FORWARD_ANSWER')
  t.equal(failureFrom('no error at all', sent).code, 'TOLLGATE_FORWARD_ANSWER')
})

t.test('each time limit has a code of its own', async t => {
  t.equal(timeoutError('first_byte', 1, at).code, 'TOLLGATE_FORWARD_FIRST_BYTE')
  t.equal(timeoutError('idle', 1, at).code, 'TOLLGATE_FORWARD_IDLE')
  t.equal(timeoutError('total', 1, at).code, 'TOLLGATE_FORWARD_TOTAL')
})
