import t from 'tap'
import { endOf, liftedOf, readRevocation } from '../../src/authenticate/revocation.ts'
import { revocation } from '../helpers/revocations.ts'

const LIVES = { maxLifetimeMs: 3_600_000, clockSkewMs: 30_000 }

t.test('it ends when the last token that it covers has, and a configuration with longer lives prolongs it', async t => {
  t.equal(endOf(revocation({ beforeMs: 5_000, untilMs: null }), LIVES), 3_635_000)
  t.equal(endOf(revocation({ kind: 'jti', beforeMs: null, madeAtMs: 7_000, untilMs: null }), LIVES), 3_637_000)
  t.equal(endOf(revocation({ beforeMs: 5_000, untilMs: 3_635_000 }), { ...LIVES, maxLifetimeMs: 7_200_000 }), 7_235_000)
  t.equal(endOf(revocation({ beforeMs: 5_000, untilMs: 9_000_000 }), LIVES), 9_000_000)
})

t.test('that of a key, and one without a time, last until they are lifted', async t => {
  t.equal(endOf(revocation({ kind: 'kid', beforeMs: null }), LIVES), null)
  t.equal(endOf(revocation({ kind: 'team', beforeMs: null }), LIVES), null)
  const lifted = liftedOf(revocation({ kind: 'kid', beforeMs: null, untilMs: null }), 1_000)
  t.equal(endOf(lifted, LIVES), 1_000 + 31 * 86_400_000, 'and then it is remembered, so that no gate brings it back')
  t.equal(endOf(liftedOf(revocation({ untilMs: 5_000 }), 1_000), LIVES), 5_000 + 86_400_000)
})

t.test('what another gate has written is read as a whole or not at all', async t => {
  const whole = revocation()
  t.strictSame(readRevocation(JSON.parse(JSON.stringify({ ...whole, more: 1 }))), whole)
  for (const odd of [{ id: '' }, { kind: 'x' }, { iss: null }, { value: 1 }, { beforeMs: 'x' }, { cutStreams: 0 }]) {
    t.equal(readRevocation({ ...whole, ...odd }), null, JSON.stringify(odd))
  }
  for (const odd of [null, 1, 'x', [], {}]) t.equal(readRevocation(odd), null)
})
