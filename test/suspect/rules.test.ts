import t from 'tap'
import { KINDS } from '../../src/suspect/options.ts'
import { networkOf, RULES } from '../../src/suspect/rules.ts'
import { exchangeTo } from '../helpers/exchanges.ts'

t.test('every kind has a rule; a surge is told by arithmetic of its own', async t => {
  t.strictSame([...new Set([...RULES.map(({ kind }) => kind), 'rate_anomaly'])].sort(), [...KINDS].sort())
})

t.test('networks are a /16, and of IPv6 a /32', async t => {
  t.equal(networkOf('203.0.113.7'), '203.0')
  t.equal(networkOf('2001:db8:1:2::/64'), '2001:db8')
})

t.test(
  'a call that is left before anybody knows what it used counts as left, whether it is streamed or not',
  async t => {
    const rule = RULES.find(({ kind }) => kind === 'abort_abuse')
    const left = { inputTokens: 9, cachedInputTokens: null, outputTokens: 9, reasoningTokens: null, audioSeconds: null }
    const weightOf = (isStream: boolean, source: 'estimated' | 'engine_final') => {
      const exchange = exchangeTo({ engine: 'vllm', operation: 'chat', isStream })
      exchange.attempts = 1
      exchange.ending = 'client_left'
      exchange.usage = { source, ...left }
      return rule?.weigh(exchange, {} as never)
    }
    for (const isStream of [true, false]) {
      t.equal(weightOf(isStream, 'estimated'), 1)
      t.equal(weightOf(isStream, 'engine_final'), 0, 'its engine has told what it used')
    }
  }
)
