import t from 'tap'
import { RetryBudget } from '../../src/route/budget.ts'

t.test('of many calls that all fail, a fifth are tried again', async t => {
  const budget = new RetryBudget()
  let again = 0
  for (let i = 0; i < 1_000; i++) {
    budget.earn()
    if (budget.spend()) again++
  }
  t.ok(again >= 200 && again <= 210, String(again))
})

t.test('a quiet pool may try its first calls again, and saves no more than a handful', async t => {
  const budget = new RetryBudget()
  t.ok(budget.spend())
  for (let i = 0; i < 10_000; i++) budget.earn()
  let again = 0
  while (budget.spend()) again++
  t.equal(again, 10)
})
