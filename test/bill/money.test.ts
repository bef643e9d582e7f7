import fc from 'fast-check'
import t from 'tap'
import {
  ATOMS,
  costOfRequests,
  costOfSound,
  costOfTokens,
  moneyText,
  moneyTexts,
  readDiscount,
  readNano,
  WHOLE
} from '../../src/bill/money.ts'

t.test('prices are read as they are written, digit by digit', async t => {
  t.equal(readNano('0.20'), 200_000_000n)
  t.equal(readNano('12'), 12_000_000_000n)
  t.equal(readNano('0.000000001'), 1n)
  for (const text of ['', '.5', '1.', '-1', '1e3', '0.0000000001', '1,5', ' 1', '٣'])
    t.throws(() => readNano(text), TypeError, text)
  t.equal(readDiscount('0'), WHOLE)
  t.equal(readDiscount('12.5'), 875_000n)
  t.equal(readDiscount('100'), 0n)
  for (const text of ['100.1', '-1', '1.23456', '']) t.throws(() => readDiscount(text), TypeError, text)
})

t.test('a million tokens cost their price, a minute of sound its own, and a third of a unit is exact', async t => {
  t.equal(costOfTokens(1_000_000n, readNano('0.20'), WHOLE), ATOMS / 5n)
  t.equal(costOfTokens(1n, 1n, 1n), 3n)
  t.equal(costOfSound(60_000n, readNano('0.004'), WHOLE), (ATOMS * 4n) / 1000n)
  t.equal(costOfSound(20_000n, readNano('1'), WHOLE) * 3n, ATOMS)
  t.equal(costOfRequests(7n, readNano('0.5'), readDiscount('50')), (ATOMS * 7n) / 4n)
})

t.test('what is shown is rounded once, a half upwards', async t => {
  t.equal(moneyText(ATOMS / 2n, 0), '1')
  t.equal(moneyText(ATOMS / 2n - 1n, 0), '0')
  t.equal(moneyText(ATOMS / 3n, 6), '0.333333')
  t.equal(moneyText(1234n * ATOMS, 2), '1234.00')
  t.equal(moneyText(0n, 9), '0.000000000')
})

const parts = fc.array(fc.bigInt({ min: 0n, max: 10n ** 30n }), { maxLength: 40 })

t.test('parts that are shown add up to the whole that is shown, and none is off by a whole last digit', async t => {
  fc.assert(
    fc.property(parts, fc.integer({ min: 0, max: 9 }), (amounts, decimals) => {
      const texts = moneyTexts(amounts, decimals)
      const units = texts.map(text => BigInt(text.replace('.', '')))
      const whole = moneyText(
        amounts.reduce((sum, amount) => sum + amount, 0n),
        decimals
      )
      t.equal(
        units.reduce((sum, unit) => sum + unit, 0n),
        BigInt(whole.replace('.', ''))
      )
      const unit = ATOMS / 10n ** BigInt(decimals)
      for (const [index, amount] of amounts.entries()) {
        const off = (units[index] ?? 0n) * unit - amount
        t.ok(off < unit && -off < unit)
      }
    })
  )
})

t.test('a cost does not drift: that of a sum is the sum of the costs, however it is cut', async t => {
  const tokens = fc.array(fc.bigInt({ min: 0n, max: 10n ** 12n }), { maxLength: 50 })
  fc.assert(
    fc.property(
      tokens,
      fc.bigInt({ min: 0n, max: 10n ** 18n }),
      fc.bigInt({ min: 0n, max: WHOLE }),
      (all, price, pay) => {
        const sum = (of: readonly bigint[]) => of.reduce((a, b) => a + b, 0n)
        for (const cost of [costOfTokens, costOfSound, costOfRequests])
          t.equal(cost(sum(all), price, pay), sum(all.map(some => cost(some, price, pay))))
      }
    )
  )
})
