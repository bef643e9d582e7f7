import t from 'tap'
import type { Revocation } from '../../src/authenticate/revocation.ts'
import { RevocationSharing } from '../../src/authenticate/revocation-sharing.ts'
import { MemoryRevocations, revocation } from '../helpers/revocations.ts'

function gate(shared: MemoryRevocations) {
  const known = new Map<string, Revocation>()
  const said: string[] = []
  const say = (_: object, text: string) => said.push(text)
  const sharing = new RevocationSharing({
    shared,
    find: id => known.get(id),
    merge(all) {
      for (const one of all) known.set(one.id, one)
      return [...known.keys()].filter(id => !all.some(one => one.id === id))
    },
    log: { warn: say, error: say }
  })
  return { known, said, sharing }
}

t.test('what one gate tells another knows; while the store is away it waits, and is told later', async t => {
  const shared = new MemoryRevocations()
  const [a, b] = [gate(shared), gate(shared)]
  t.equal(a.sharing.status.state, 'unread')
  a.known.set('x', revocation({ id: 'x' }))
  a.sharing.owe('x')
  await a.sharing.tell()
  await b.sharing.ask()
  t.strictSame([...b.known.keys()], ['x'])
  shared.isAway = true
  a.known.set('y', revocation({ id: 'y' }))
  a.sharing.owe('y')
  await a.sharing.tell()
  t.equal(a.sharing.whyUntold('y'), 'away')
  t.match(a.sharing.status, { state: 'away', untold: 1 })
  shared.isAway = false
  await a.sharing.ask()
  await b.sharing.ask()
  t.equal(b.known.size, 2)
  t.equal(a.said.length, 2, 'away, and there again')
})

t.test('more than the store takes is told of, once', async t => {
  const { sharing, known, said } = gate(new MemoryRevocations({ max: 1 }))
  for (const id of ['a', 'b']) {
    known.set(id, revocation({ id }))
    sharing.owe(id)
  }
  await sharing.tell()
  await sharing.ask()
  t.equal(sharing.whyUntold('a'), null)
  t.equal(sharing.whyUntold('b'), 'full')
  t.strictSame(said, ['the store holds too many revocations'])
})
