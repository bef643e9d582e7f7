import t from 'tap'
import { Guesses } from '../../src/admin/guesses.ts'

t.test('a wrong token is answered late, and a right one at once unless its address has guessed', async t => {
  const order: string[] = []
  const guesses = new Guesses({ nowMs: () => 0, log: { warn: () => {} }, delayMs: 20 })
  const judge = async (address: string, isRight: boolean, name: string) => {
    order.push(`${name}: ${await guesses.judge(address, isRight)}`)
  }
  await Promise.all([judge('203.0.113.7', false, 'guess'), judge('203.0.113.7', true, 'owner')])
  t.strictSame(order, ['owner: right', 'guess: wrong'])
  for (let n = 0; n < 5; n++) await guesses.judge('203.0.113.7', false)
  order.length = 0
  await Promise.all([judge('203.0.113.7', true, 'there'), judge('203.0.113.8', true, 'elsewhere')])
  t.strictSame(order, ['elsewhere: right', 'there: right'], 'who waits for no answer learns nothing by that')
})

t.test('an address, of IPv6 a network, has eight tries at once, all addresses together 64', async t => {
  const guesses = new Guesses({ nowMs: () => 0, log: { warn: () => {} }, delayMs: 20 })
  const count = (verdicts: readonly string[]) => verdicts.filter(verdict => verdict === 'wrong').length
  const one = await Promise.all(Array.from({ length: 50 }, (_, n) => guesses.judge(`2001:db8::${n + 1}`, false)))
  t.equal(count(one), 8)
  const many = await Promise.all(Array.from({ length: 200 }, (_, n) => guesses.judge(`10.0.0.${n}`, false)))
  t.equal(count(many), 64)
  t.equal(await guesses.judge('10.9.9.9', true), 'right', 'an operator elsewhere is not held up')
})

t.test('the log is not written full, however many addresses guess', async t => {
  const lines: object[] = []
  let now = 0
  const guesses = new Guesses({ nowMs: () => now, log: { warn: facts => lines.push(facts) }, delayMs: 0 })
  for (let n = 0; n < 100; n++) void guesses.judge(`10.0.0.${n}`, false)
  t.equal(lines.length, 20)
  now = 60_000
  void guesses.judge('10.0.1.1', false)
  t.equal(lines.length, 21)
})
