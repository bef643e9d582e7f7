import t from 'tap'
import { Pauses } from '../../src/route/pauses.ts'

const RED = { team: 'red', model: 'm' }
const BLUE = { team: 'blue', model: 'm' }

t.test(
  'a pause is for calls of the same team and model, for as long as was asked, and half a minute at most',
  async t => {
    const pauses = new Pauses()
    t.equal(pauses.add(RED, 0, 2_000), 2_000)
    t.equal(pauses.add(RED, 0, 1_000), null, 'which is nothing new')
    t.strictSame(
      [pauses.until(RED, 999), pauses.until(BLUE, 0), pauses.until({ ...RED, model: 'n' }, 0)],
      [1_000, 0, 0]
    )
    t.equal(pauses.until(RED, 1_000), 0)
    t.equal(pauses.add(RED, 5_000, 3_600_000), 30_000)
    t.strictSame([pauses.lastUntil(5_000), pauses.lastUntil(35_000)], [35_000, 0])
  }
)

t.test('what two teams were told of one model is for all teams, until one of them is served', async t => {
  const pauses = new Pauses()
  pauses.add(RED, 0, 9_000)
  pauses.add({ ...BLUE, model: 'n' }, 0, 9_000)
  t.equal(pauses.until({ team: 'green', model: 'm' }, 1), 0)
  pauses.add(BLUE, 0, 5_000)
  t.equal(pauses.until({ team: 'green', model: 'm' }, 1), 5_000)
  pauses.end(RED)
  t.strictSame([pauses.until({ team: 'green', model: 'm' }, 1), pauses.until(BLUE, 1)], [0, 5_000])
})

t.test('however many models are asked for, pauses take bounded memory', async t => {
  const pauses = new Pauses()
  for (let i = 0; i < 1_000; i++) pauses.add({ team: 'red', model: `m${i}` }, 0, 9_000)
  t.strictSame(
    [pauses.until({ team: 'red', model: 'm0' }, 1), pauses.until({ team: 'red', model: 'm999' }, 1)],
    [0, 9_000]
  )
})
