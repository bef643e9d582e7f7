import t from 'tap'
import { GateError } from '../../src/errors.ts'
import { weightOf } from '../../src/identify/weights.ts'

const invalid = (reason: string) => weightOf(new GateError('TOLLGATE_AUTHENTICATE_INVALID', { reason }))

t.test('B4: a forged token counts whole, a foreign one half, one for others a quarter', async t => {
  for (const reason of ['bad_signature', 'malformed', 'alg_rejected', 'crit']) t.equal(invalid(reason), 1, reason)
  for (const reason of ['unknown_issuer', 'unknown_kid']) t.equal(invalid(reason), 0.5, reason)
  t.equal(invalid('audience'), 0.25)
  t.equal(weightOf(new GateError('TOLLGATE_AUTHENTICATE_MALFORMED', { header: 'authorization' })), 1)
})

t.test('B4: what happens to honest callers counts nothing', async t => {
  for (const reason of ['expired', 'not_yet_valid', 'issued_in_future', 'lifetime', 'cnf']) t.equal(invalid(reason), 0)
  for (const code of [
    'TOLLGATE_AUTHENTICATE_MISSING',
    'TOLLGATE_AUTHENTICATE_KEYS',
    'TOLLGATE_AUTHENTICATE_OVERLOADED',
    'TOLLGATE_AUTHORIZE_SCOPE',
    'TOLLGATE_LIMIT_RATE',
    'TOLLGATE_IDENTIFY_BANNED',
    'TOLLGATE_FORWARD_FAILED'
  ] as const) {
    t.equal(weightOf(new GateError(code, { reason: 'bad_signature' })), 0, code)
  }
})
