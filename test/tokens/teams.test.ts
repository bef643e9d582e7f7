import t from 'tap'
import { TeamMemory } from '../../src/tokens/teams.ts'

t.test('a team pushes nothing but its own out of memory, however many keys it has', async t => {
  const memory = new TeamMemory<number>(0)
  memory.at('b', 'k', () => 1)
  for (let n = 0; n < 10_000; n++) memory.at('a', `k-${n}`, () => n)
  t.equal(memory.get('b', 'k'), 1)
  t.equal(memory.get('a', 'k-0'), undefined)
  t.equal(memory.get('a', 'k-9999'), 9_999)
})

t.test('of very many teams the one that was used longest ago is forgotten', async t => {
  const memory = new TeamMemory<number>(0)
  for (let n = 0; n < 1_000; n++) memory.at(`t-${n}`, 'k', () => n)
  memory.at('t-0', 'k', () => -1)
  memory.at('more', 'k', () => 0)
  t.equal(memory.get('t-0', 'k'), 0)
  t.equal(memory.get('t-1', 'k'), undefined)
})

t.test('teams are compared by their median, the seed in the place of those that are missing to three', async t => {
  const memory = new TeamMemory<number>(4)
  t.equal(memory.median('k'), 4)
  memory.compare('a', 'k', 100)
  t.equal(memory.median('k'), 4)
  memory.compare('b', 'k', 10)
  t.equal(memory.median('k'), 10)
  memory.compare('c', 'k', 6)
  t.equal(memory.median('k'), 10)
  memory.compare('c', 'k', 20)
  t.equal(memory.median('k'), 20)
  for (let n = 0; n < 50_000; n++) memory.compare(`t-${n % 100}`, `k-${n}`, 1)
  t.equal(memory.median('k'), 4, 'what was compared longest ago is forgotten')
})
