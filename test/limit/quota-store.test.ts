import t from 'tap'
import { costOf, mostOf, owedOf, type Ticket } from '../../src/limit/quota-store.ts'
import { budget, lease, rate } from '../helpers/draws.ts'

const ticket = (isUnconfirmed: boolean): Ticket => ({ id: 'c', draws: [], tokens: 100, isUnconfirmed })

t.test('a call costs one of requests and of calls at once, and of tokens what is reserved', async t => {
  t.equal(costOf(rate('r', 1, { resource: 'requests' }), 70), 1)
  t.equal(costOf(lease('l', 1), 70), 1)
  t.equal(costOf(rate('t', 1), 70), 70)
  t.equal(costOf(rate('t', 50, { isShared: true }), 70), 50)
})

t.test(
  'what is owed at the end is what was used beyond the reservation, and all of it where there was none',
  async t => {
    const requests = rate('r', 1, { resource: 'requests' })
    t.equal(owedOf(rate('t', 1), ticket(false), { requests: 1, tokens: 130 }), 30)
    t.equal(owedOf(rate('t', 1), ticket(false), { requests: 1, tokens: 30 }), -70)
    t.equal(owedOf(requests, ticket(false), { requests: 1, tokens: 0 }), 0)
    t.equal(owedOf(requests, ticket(false), { requests: 0, tokens: 0 }), -1)
    t.equal(owedOf(rate('t', 1), ticket(true), { requests: 1, tokens: 130 }), 130)
    t.equal(owedOf(requests, ticket(true), { requests: 1, tokens: 0 }), 1)
  }
)

t.test(
  'a rate of tokens that several teams share has a bound; the own ones, budgets and requests have none',
  async t => {
    t.equal(mostOf(rate('t', 100, { isShared: true })), 150)
    for (const draw of [
      rate('t', 100),
      rate('r', 100, { isShared: true, resource: 'requests' }),
      budget('b', 100, 1, { isShared: true })
    ]) {
      t.equal(mostOf(draw), Number.POSITIVE_INFINITY)
    }
  }
)
