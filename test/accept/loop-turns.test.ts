import fc from 'fast-check'
import t from 'tap'
import { LoopTurns } from '../../src/accept/loop-turns.ts'

const turn = () => new Promise<void>(resolve => setImmediate(resolve))

/** Begins work now or in its turn, as callers of `LoopTurns` do. */
function begin(turns: LoopTurns, key: string, work: () => void): void {
  if (turns.take(key)) work()
  else turns.wait(key, work)
}

t.test('no more work begins in one turn of the event loop than may, and all of it begins once', async t => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 9 }),
      fc.array(fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 30 }), { maxLength: 6 }),
      async (most, arrivals) => {
        const turns = new LoopTurns(most)
        const begun: number[] = []
        let inTurn = 0
        let made = 0
        let mostInTurn = 0
        const countTurn = () => {
          mostInTurn = Math.max(mostInTurn, inTurn)
          inTurn = 0
        }
        for (const keys of arrivals) {
          for (const key of keys) {
            const number = made++
            begin(turns, key, () => {
              inTurn++
              begun.push(number)
            })
          }
          await turn()
          countTurn()
        }
        while (turns.waiting > 0) {
          await turn()
          countTurn()
        }
        return mostInTurn <= 2 * most && begun.length === made && new Set(begun).size === made && turns.waiting === 0
      }
    ),
    { numRuns: 100 }
  )
  t.pass()
})

t.test('a caller who comes behind a thousand of another address begins with the next turn', async t => {
  const turns = new LoopTurns(4)
  const begun: string[] = []
  for (let i = 0; i < 1_000; i++) begin(turns, 'many', () => begun.push('many'))
  begin(turns, 'one', () => begun.push('one'))
  await turn()
  t.ok(begun.length <= 8)
  t.ok(begun.includes('one'))
})

t.test('while nobody waits, work begins at once', async t => {
  const turns = new LoopTurns(8)
  for (let i = 0; i < 100; i++) {
    t.ok(turns.take())
    await turn()
  }
})

t.test('work of a key that is full waits until it may begin, and keeps no other key waiting', async t => {
  const full = new Set(['slow'])
  const turns = new LoopTurns(4, key => key !== null && full.has(key))
  const begun: string[] = []
  for (const key of ['slow', 'slow', 'quick']) begin(turns, key, () => begun.push(key))
  await turn()
  t.same(begun, ['quick'])
  t.equal(turns.waiting, 2)
  full.clear()
  turns.retry()
  await turn()
  await turn()
  t.same(begun, ['quick', 'slow', 'slow'])
})

t.test('when nothing may begin, a turn costs the same however many keys wait', async t => {
  let asked = 0
  const turns = new LoopTurns(4, () => ++asked > 0)
  for (let n = 0; n < 1_000; n++) begin(turns, `key ${n}`, () => t.fail('it began'))
  asked = 0
  turns.retry()
  await turn()
  await turn()
  t.ok(asked <= 4, `${asked}`)
  t.equal(turns.waiting, 1_000)
})
