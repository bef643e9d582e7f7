import t from 'tap'
import { TeamMemory } from '../../src/tokens/teams.ts'

const make = () => new TeamMemory({ own: () => ({ value: 0 }), common: () => ({ value: 0 }) })
const learn = (memory: ReturnType<typeof make>, team: string, key: string, value: number) => {
  const { own, common } = memory.use(team, key)
  own.value = value
  common.value += value
}

t.test('a team pushes nothing but its own out of memory, however many keys it has', async t => {
  const memory = make()
  learn(memory, 'b', 'k', 1)
  for (let n = 0; n < 10_000; n++) learn(memory, 'a', `k-${n}`, n)
  t.equal(memory.get('b', 'k')?.value, 1)
  t.equal(memory.get('a', 'k-0'), undefined)
  t.equal(memory.get('a', 'k-9999')?.value, 9_999)
  t.equal(memory.get('a', `k-${10_000 - 64}`)?.value, 10_000 - 64)
  t.equal(memory.get('a', `k-${10_000 - 65}`), undefined)
})

t.test('of very many teams the one that was used longest ago is forgotten', async t => {
  const memory = make()
  for (let n = 0; n < 1_000; n++) learn(memory, `t-${n}`, 'k', n)
  memory.use('t-0', 'k')
  memory.use('more', 'k')
  t.equal(memory.get('t-0', 'k')?.value, 0)
  t.equal(memory.get('t-1', 'k'), undefined)
  t.equal(memory.get('t-2', 'k')?.value, 2)
  t.equal(memory.get('t-999', 'k')?.value, 999)
})

t.test('looking does not count as use, and makes nothing', async t => {
  const memory = make()
  t.equal(memory.get('t-0', 'k'), undefined)
  for (let n = 0; n < 1_000; n++) learn(memory, `t-${n}`, 'k', n)
  t.equal(memory.get('t-0', 'k')?.value, 0)
  memory.use('more', 'k')
  t.equal(memory.get('t-0', 'k'), undefined)
})

t.test('what all teams have of a key is kept apart from other keys, and the oldest is forgotten', async t => {
  const memory = make()
  learn(memory, 'a', 'k', 3)
  learn(memory, 'b', 'k', 4)
  learn(memory, 'b', 'other', 9)
  t.equal(memory.common('k').value, 7)
  t.equal(memory.common('other').value, 9)
  t.equal(memory.common('none').value, 0)
  for (let n = 0; n < 50_000; n++) learn(memory, `t-${n % 100}`, `k-${n}`, 1)
  t.equal(memory.common('k').value, 0)
  learn(memory, 'a', 'k', 5)
  t.equal(memory.common('k').value, 5, 'and begins again when a team that is remembered goes on')
  t.equal(memory.use('b', 'k').common.value, 5)
})
