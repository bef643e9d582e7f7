import t from 'tap'
import { compare } from '../../src/reconcile/compare.ts'
import type { EngineSums } from '../../src/reconcile/prometheus.ts'
import type { Ledger } from '../../src/reconcile/sums.ts'

const NO_NAMES = { names: new Map<string, string>(), thresholdPercent: 1 }

function ledger(models: Record<string, [input: number, output: number]>, more: Partial<Ledger> = {}): Ledger {
  const byModel = new Map(
    Object.entries(models).map(([model, [input, output]]) => [
      model,
      { input, output, calls: 1, estimated: 0, unknown: 0 }
    ])
  )
  return { byModel, elsewhere: 0, damages: 0, ...more }
}

function engines(models: Record<string, [input: number, output: number]>, more: Partial<EngineSums> = {}): EngineSums {
  const byModel = new Map(Object.entries(models).map(([model, [input, output]]) => [model, { input, output }]))
  return { byModel, series: 2, resets: 0, appeared: { series: 0, tokens: 0 }, warnings: [], ...more }
}

t.test('drift is of what the engines have counted, either way, and the threshold itself is not over', async t => {
  const { rows, isOver } = compare(ledger({ m: [101, 98] }), engines({ m: [100, 100] }), NO_NAMES)
  t.strictSame(rows, [
    { model: 'm', tokens: 'input', ledger: 101, engines: 100, difference: 1, driftPercent: 1, isOver: false },
    { model: 'm', tokens: 'output', ledger: 98, engines: 100, difference: -2, driftPercent: -2, isOver: true }
  ])
  t.equal(isOver, true)
  t.equal(compare(ledger({ m: [1, 1] }), engines({ m: [1, 1] }), NO_NAMES).isOver, false)
})

t.test('names of the ledger are those of the counters when they are told: adapters add to their base', async t => {
  const names = new Map([['adapter', 'base']])
  const { rows, isOver } = compare(ledger({ adapter: [5, 5], base: [10, 10] }), engines({ base: [15, 15] }), {
    names,
    thresholdPercent: 0
  })
  t.equal(isOver, false)
  t.match(rows, [{ model: 'base', ledger: 15 }, { ledger: 15 }])
})

t.test('what only one side has is over: calls past the gate, and models without a counter', async t => {
  const past = compare(ledger({}), engines({ m: [10, 0] }), NO_NAMES)
  t.match(past.rows, [{ model: 'm', tokens: 'input', ledger: 0, driftPercent: -100, isOver: true }])
  const none = compare(ledger({ x: [10, 0] }), engines({ m: [0, 0] }), NO_NAMES)
  t.match(none.rows, [{ model: 'x', engines: 0, driftPercent: null, isOver: true }])
  t.match(none.notes, [/the engines have no counter of x; .*--map/])
})

t.test('what one should know is noted', async t => {
  const sums = { input: 1, output: 1, calls: 4, estimated: 2, unknown: 1 }
  const { notes } = compare(
    { byModel: new Map([['m', sums]]), elsewhere: 3, damages: 1 },
    engines({ m: [1, 1] }, { resets: 2, appeared: { series: 1, tokens: 7 }, warnings: ['partial'] }),
    NO_NAMES
  )
  t.match(notes, [
    /^2 of 4 calls are the gate's own guess/,
    /^of 1 of 4 calls nobody knows/,
    /^counters began anew 2 times/,
    /^1 counters came up within the time, at 7 tokens/,
    /^3 calls went to engines that have no such counters/,
    /usage verify/,
    /^Prometheus warns: partial/
  ])
})

t.test('a prompt with several answers is compared as vLLM counts it, and that is said', async t => {
  const of = (repeated: number): Ledger => ({
    byModel: new Map([['m', { input: 100, output: 30, repeated, calls: 1, estimated: 0, unknown: 0 }]]),
    elsewhere: 0,
    damages: 0
  })
  const { rows, notes, isOver } = compare(of(200), engines({ m: [300, 30] }), NO_NAMES)
  t.equal(isOver, false)
  t.match(rows, [{ tokens: 'input', ledger: 300, difference: 0 }])
  t.match(notes, [/^200 tokens of input were added to the ledger's: vLLM counts a prompt once for each answer/])
  t.strictSame(compare(of(0), engines({ m: [100, 30] }), NO_NAMES).notes, [])
})
