import t from 'tap'
import { roll, rollEngines } from '../soak/rolling.ts'

t.test('an engine is killed and comes back: nobody loses a request but those whose streams it had', async t => {
  const { whole, excused, lost } = await roll(t, {
    dir: t.testdir(),
    streams: 60,
    phases: [rollEngines(1)],
    say: text => t.comment(text)
  })
  t.strictSame(lost, [])
  t.ok(excused > 0 && whole > 60, `${whole} whole, ${excused} ended with their engine`)
})
