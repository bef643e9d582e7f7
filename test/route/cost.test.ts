import t from 'tap'
import { GateError } from '../../src/errors.ts'
import type { Usage } from '../../src/exchange.ts'
import { FLOOR, measuredCost, unmeasuredCost } from '../../src/route/cost.ts'

const usage = (inputTokens: number | null, cachedInputTokens: number | null, outputTokens: number | null): Usage => ({
  source: 'engine_final',
  inputTokens,
  cachedInputTokens,
  outputTokens,
  reasoningTokens: null,
  audioSeconds: null
})

t.test('output counts twice, and what a cache had is free', async t => {
  t.equal(measuredCost(usage(100, null, 50)), 200)
  t.equal(measuredCost(usage(100, 90, 50)), 110)
  t.equal(measuredCost(usage(100, null, null)), 100)
  t.equal(measuredCost(usage(null, null, 50)), 100)
})

t.test('no call is cheaper than the least, whatever its engine says', async t => {
  t.equal(measuredCost(usage(0, 0, 0)), FLOOR)
  t.equal(measuredCost(usage(5, 1_000, 0)), FLOOR)
})

t.test('what nobody has said is not counted as nothing', async t => {
  t.equal(measuredCost(null), null)
  t.equal(measuredCost(usage(null, null, null)), null)
  const ended = (status: number | null, failure: GateError | null = null) =>
    unmeasuredCost({ usage: null, status, failure }, 700)
  t.equal(ended(200), 700)
  t.equal(ended(null), 700, 'a caller who left before the answer began')
  t.equal(ended(400), FLOOR)
  t.equal(ended(200, new GateError('TOLLGATE_FORWARD_BROKEN')), FLOOR)
})
