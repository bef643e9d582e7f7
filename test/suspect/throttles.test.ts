import t from 'tap'
import { Throttles } from '../../src/suspect/throttles.ts'

t.test('whoever is throttled is refused until it is over, and told for how long', async t => {
  const throttles = new Throttles()
  t.equal(throttles.isEmpty, true)
  throttles.add('k', { kind: 'oversize', untilMs: 5_000 })
  t.throws(() => throttles.check('k', 1_500), {
    code: 'TOLLGATE_SUSPECT_THROTTLED',
    detail: { reason: 'oversize' },
    told: { status: 429, retryAfterSec: 4 }
  })
  throttles.check('other', 1_500)
  throttles.check('k', 5_000)
  t.equal(throttles.isEmpty, true, 'and forgotten then')
})

t.test('of a hundred thousand the last ten thousand are throttled', async t => {
  const throttles = new Throttles()
  for (let i = 0; i < 100_000; i++) throttles.add(`k-${i}`, { kind: 'x', untilMs: 10 })
  t.equal(throttles.size, 10_000)
  t.throws(() => throttles.check('k-99999', 1), { code: 'TOLLGATE_SUSPECT_THROTTLED' })
})
