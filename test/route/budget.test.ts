import t from 'tap'
import { RetryBudget } from '../../src/route/budget.ts'

t.test('of many calls that all fail, a fifth are tried again', async t => {
  const budget = new RetryBudget()
  let again = 0
  for (let i = 0; i < 1_000; i++) {
    budget.earn('red')
    if (budget.spend('red')) again++
  }
  t.ok(again >= 200 && again <= 210, String(again))
})

t.test('a quiet pool may try its first calls again, and saves no more than a handful', async t => {
  const budget = new RetryBudget()
  t.ok(budget.spend('red'))
  for (let i = 0; i < 10_000; i++) budget.earn('red')
  let again = 0
  while (budget.spend('red')) again++
  t.equal(again, 10)
})

t.test('a team that has its calls tried again as often as it may leaves those of others their tries', async t => {
  const budget = new RetryBudget()
  while (budget.spend('red'));
  t.ok(budget.spend('blue'))
  for (let i = 0; i < 1_000; i++) budget.earn(`t${i}`)
  t.ok(budget.spend('red'), 'and who is forgotten begins like anybody else')
})
