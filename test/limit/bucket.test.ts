import fc from 'fast-check'
import t from 'tap'
import { drained, drawn, fits, fullInMs, waitMs } from '../../src/limit/bucket.ts'

const MINUTE = 60_000
const amounts = fc.integer({ min: 1, max: 1_000_000_000 })
const rates = fc.record({ amount: amounts, windowMs: fc.constantFrom(1_000, MINUTE, 3_600_000) })

t.test('a bucket of sixty in a minute gives one back every second, and never more than it holds', async t => {
  const rate = { amount: 60, windowMs: MINUTE }
  t.equal(drained(60, 1_000, rate), 59)
  t.equal(drained(60, 90_000, rate), 0)
  t.equal(drawn(10, -50), 0)
})

t.test('a clock that goes back gives nothing and takes nothing', async t => {
  t.equal(drained(30, -3_600_000, { amount: 60, windowMs: MINUTE }), 30)
})

t.test('a debt is paid off at the same pace, and nothing fits before', async t => {
  const rate = { amount: 100, windowMs: MINUTE }
  const used = drawn(100, 250)
  t.equal(fits(used, 1, 100), false)
  t.equal(waitMs(used, 1, rate), (251 * MINUTE) / 100)
  t.equal(fits(drained(used, waitMs(used, 1, rate), rate), 1, 100), true)
})

t.test('an amount that is changed keeps what was used', async t => {
  t.equal(fits(50, 60, 100), false)
  t.equal(fits(50, 60, 200), true)
  t.equal(fits(50, 1, 40), false)
})

t.test('what is larger than a bucket fits into a full one alone', async t => {
  t.equal(fits(0, 500, 100), true)
  t.equal(fits(1, 500, 100), false)
})

t.test('after the time that a cost was told to wait it fits, and not much before', async () => {
  fc.assert(
    fc.property(
      rates,
      fc.double({ min: 0, max: 3, noNaN: true }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (rate, u, c) => {
        const used = u * rate.amount
        const cost = Math.max(1, c * rate.amount)
        // On the border itself, the last digit of a fraction decides.
        if (fits(used, cost, rate.amount * (1 + 1e-9))) return true
        const wait = waitMs(used, cost, rate)
        // What is taken for nothing is there a little earlier, in a bucket that fills slowly.
        const crumbMs = (2e-6 * rate.windowMs) / rate.amount
        return (
          fits(drained(used, wait + 1, rate), cost, rate.amount) &&
          !fits(drained(used, wait - 2 - crumbMs, rate), cost, rate.amount * (1 - 1e-9))
        )
      }
    )
  )
})

t.test(
  'whatever is drawn, given back and waited for, a bucket lets through no more than its amount and what filled it',
  async () => {
    const steps = fc.array(fc.record({ afterMs: fc.nat({ max: 5_000 }), cost: fc.integer({ min: 1, max: 40 }) }), {
      maxLength: 80
    })
    fc.assert(
      fc.property(steps, all => {
        const rate = { amount: 100, windowMs: 10_000 }
        let used = 0
        let elapsedMs = 0
        let passed = 0
        for (const { afterMs, cost } of all) {
          used = drained(used, afterMs, rate)
          elapsedMs += afterMs
          if (!fits(used, cost, rate.amount)) continue
          used = drawn(used, cost)
          passed += cost
        }
        return passed <= rate.amount + (elapsedMs * rate.amount) / rate.windowMs + 1e-3
      })
    )
  }
)

t.test('a bucket that nobody draws from is full when it was said to be', async t => {
  const rate = { amount: 60, windowMs: MINUTE }
  t.equal(fullInMs(30, rate), 30_000)
  t.equal(drained(30, fullInMs(30, rate), rate), 0)
})
