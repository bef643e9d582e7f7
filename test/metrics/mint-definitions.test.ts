import t from 'tap'
import { METRICS } from '../../src/metrics/definitions.ts'
import { MINT_METRICS } from '../../src/metrics/mint-definitions.ts'

t.test('they are metrics like all others, and have few series whoever asks', async t => {
  t.match(METRICS, MINT_METRICS)
  t.ok(MINT_METRICS.tollgate_tokens_issued_total.max < 20)
})
