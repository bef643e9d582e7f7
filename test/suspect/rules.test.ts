import t from 'tap'
import { KINDS } from '../../src/suspect/options.ts'
import { networkOf, RULES } from '../../src/suspect/rules.ts'

t.test('every kind has a rule; a surge is told by arithmetic of its own', async t => {
  t.strictSame([...new Set([...RULES.map(({ kind }) => kind), 'rate_anomaly'])].sort(), [...KINDS].sort())
})

t.test('networks are a /16, and of IPv6 a /32', async t => {
  t.equal(networkOf('203.0.113.7'), '203.0')
  t.equal(networkOf('2001:db8:1:2::/64'), '2001:db8')
})
