import t from 'tap'
import { Backlog } from '../../src/limit/backlog.ts'
import type { Draw, Ticket } from '../../src/limit/quota-store.ts'
import { budget, lease, rate } from '../helpers/draws.ts'

const ticket = (id: string, draws: readonly Draw[]): Ticket => ({ id, draws, tokens: 10, isUnconfirmed: true })
const open = () => {
  let id = 0
  return new Backlog(() => `own-${id++}`)
}

t.test('of calls that the store never heard of, the sum of each bucket is told, under one name each', async t => {
  const backlog = open()
  const draws = [rate('a', 100), budget('b', 100, 5), lease('l', 1)]
  for (let i = 0; i < 1_000; i++) backlog.sum(ticket(`c${i}`, draws), { requests: 1, tokens: 7 })
  t.equal(backlog.size, 2)
  t.match(backlog.take(10), [
    { ticket: { id: 'own-0', draws: [{ key: 'a' }], isUnconfirmed: true }, spent: { requests: 1_000, tokens: 7_000 } },
    { ticket: { id: 'own-1', draws: [{ key: 'b' }] }, spent: { requests: 1_000, tokens: 7_000 } }
  ])
  t.equal(backlog.size, 0)
})

t.test('calls that the store may know are told one by one, and keep their names when they are told again', async t => {
  const backlog = open()
  for (const id of ['x', 'y', 'z']) backlog.add({ ticket: ticket(id, []), spent: { requests: 1, tokens: 1 } })
  const first = backlog.take(2)
  t.strictSame(
    first.map(({ ticket: { id } }) => id),
    ['x', 'y']
  )
  for (const owed of first) backlog.add(owed)
  t.strictSame(
    backlog.take(10).map(({ ticket: { id } }) => id),
    ['z', 'x', 'y']
  )
})

t.test('it does not grow without end', async t => {
  const backlog = open()
  for (let i = 0; i < 150_000; i++) {
    backlog.add({ ticket: ticket(`c${i}`, []), spent: { requests: 1, tokens: 1 } })
    backlog.sum(ticket(`c${i}`, [rate(`k${i}`, 1)]), { requests: 1, tokens: 1 })
  }
  t.equal(backlog.size, 200_000)
  t.equal(backlog.dropped, 100_000)
})
