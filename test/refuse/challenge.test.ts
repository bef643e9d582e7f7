import t from 'tap'
import { GateError } from '../../src/errors.ts'
import { challengeFor } from '../../src/refuse/challenge.ts'

t.test('V25: a request without a token is challenged without an error code', async t => {
  t.equal(challengeFor(new GateError('TOLLGATE_AUTHENTICATE_MISSING')), 'Bearer realm="tollgate"')
})

t.test('V25: a malformed header is an invalid_request, a bad token an invalid_token without a reason', async t => {
  t.equal(
    challengeFor(new GateError('TOLLGATE_AUTHENTICATE_MALFORMED')),
    'Bearer realm="tollgate", error="invalid_request"'
  )
  t.equal(
    challengeFor(new GateError('TOLLGATE_AUTHENTICATE_INVALID', { reason: 'expired' })),
    'Bearer realm="tollgate", error="invalid_token"'
  )
})

t.test('V25: a missing scope is named, and only when it is a scope', async t => {
  const named = new GateError('TOLLGATE_AUTHORIZE_SCOPE', { scope: 'infer:text' })
  t.equal(challengeFor(named), 'Bearer realm="tollgate", error="insufficient_scope", scope="infer:text"')
  const odd = new GateError('TOLLGATE_AUTHORIZE_MODEL', { scope: 'model:"x":inference' })
  t.equal(challengeFor(odd), 'Bearer realm="tollgate", error="insufficient_scope"')
})

t.test('V25: keys that are not to be had are no challenge: the token may be good', async t => {
  t.equal(challengeFor(new GateError('TOLLGATE_AUTHENTICATE_KEYS')), null)
})

t.test('a client that is not known is told how it may authenticate itself', async t => {
  t.match(challengeFor(new GateError('TOLLGATE_MINT_CLIENT')), /^Basic realm="tollgate"/)
  t.equal(challengeFor(new GateError('TOLLGATE_MINT_LOGIN')), null)
})
