import t from 'tap'
import { CODES, type GateErrorCode } from '../../src/codes.ts'
import { GateError } from '../../src/errors.ts'
import {
  authResultOf,
  denialOf,
  interruptionOf,
  limitRefusalOf,
  outcomeOf,
  queueRejectionOf,
  timeoutOf
} from '../../src/metrics/words.ts'

const codes = Object.keys(CODES) as GateErrorCode[]
const which = (of: (error: GateError) => string | null, detail = {}) =>
  Object.fromEntries(
    codes.flatMap(code => {
      const word = of(new GateError(code, detail))
      return word === null ? [] : [[code, word]]
    })
  )

t.test('each time limit has its own word, and an engine that refuses connections is none', async t => {
  const others = {
    TOLLGATE_ROUTE_LATE: 'queue',
    TOLLGATE_FORWARD_FIRST_BYTE: 'first_byte',
    TOLLGATE_FORWARD_IDLE: 'idle',
    TOLLGATE_FORWARD_TOTAL: 'total',
    TOLLGATE_FORWARD_CONNECT: 'connect',
    TOLLGATE_ACCEPT_STALLED: 'reader'
  }
  t.same(which(timeoutOf), others)
})

t.test('every code of a time limit is counted as one', async t => {
  const late = codes.filter(code => CODES[code].status === 504)
  for (const code of late) t.not(timeoutOf(new GateError(code)), null, code)
})

t.test('every code of a token is a result, but for one that ended during its session or its call', async t => {
  const results = which(authResultOf, { reason: 'expired' })
  t.strictSame(
    Object.keys(results),
    codes.filter(
      code =>
        code === 'TOLLGATE_IDENTIFY_BANNED' ||
        (code.startsWith('TOLLGATE_AUTHENTICATE_') && !/_(ENDED|REVOKED)$/.test(code))
    )
  )
  const reason = (of: string) => authResultOf(new GateError('TOLLGATE_AUTHENTICATE_INVALID', { reason: of }))
  t.strictSame(['expired', 'unknown_issuer', 'audience', 'bad_signature'].map(reason), [
    'expired',
    'wrong_issuer',
    'wrong_audience',
    'bad_signature'
  ])
  const keys = new GateError('TOLLGATE_AUTHENTICATE_KEYS', { reason: 'keys_unavailable' })
  t.equal(authResultOf(keys), 'jwks_unavailable')
})

t.test('what was not allowed, and what got no place', async t => {
  t.strictSame(which(denialOf), {
    TOLLGATE_INSPECT_CLOSED: 'route',
    TOLLGATE_INSPECT_ADMIN: 'route',
    TOLLGATE_AUTHORIZE_SCOPE: 'scope',
    TOLLGATE_AUTHORIZE_MODEL: 'model',
    TOLLGATE_ROUTE_TEAM: 'unknown_team'
  })
  t.strictSame(which(queueRejectionOf), {
    TOLLGATE_ROUTE_FULL: 'full',
    TOLLGATE_ROUTE_SHARE: 'share',
    TOLLGATE_ROUTE_LATE: 'late',
    TOLLGATE_ROUTE_BUSY: 'busy'
  })
})

t.test('every code of a limit has a word of its own', async t => {
  const words = which(limitRefusalOf)
  t.strictSame(
    Object.keys(words),
    codes.filter(code => code.startsWith('TOLLGATE_LIMIT_'))
  )
  t.equal(new Set(Object.values(words)).size, Object.keys(words).length)
})

t.test('a try is told by the status of the engine where there was one, else by a word', async t => {
  t.equal(outcomeOf(new GateError('TOLLGATE_FORWARD_FAILED', { status: 500 })), '500')
  t.equal(outcomeOf(new GateError('TOLLGATE_FORWARD_UNREACHABLE')), 'unreachable')
  t.equal(outcomeOf(new GateError('TOLLGATE_FORWARD_FIRST_BYTE')), 'first_byte')
  t.equal(outcomeOf(new GateError('TOLLGATE_INTERNAL')), 'internal')
})

t.test('whose fault it was that an answer broke', async t => {
  const words = (
    ['FORWARD_BROKEN', 'FORWARD_IDLE', 'FORWARD_TOTAL', 'FORWARD_SHUTDOWN', 'FORWARD_FAILED', 'INTERNAL'] as const
  ).map(code => interruptionOf(new GateError(`TOLLGATE_${code}`)))
  t.strictSame(words, ['upstream_reset', 'idle_timeout', 'max_duration', 'drain', 'upstream_error', 'gate'])
})
