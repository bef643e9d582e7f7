import t from 'tap'
import { reload, replaceGate, rollEngines } from '../soak/phases.ts'
import { roll } from '../soak/rolling.ts'

t.test('an engine dies, the file changes, the gate is replaced: only streams of the dead engine are lost', async t => {
  const result = await roll(t, {
    dir: t.testdir(),
    streams: 60,
    streamMs: 1_000,
    acceptMs: 300,
    phases: [rollEngines(1), reload(6), replaceGate()],
    say: text => t.comment(text)
  })
  t.comment(JSON.stringify(result))
  t.strictSame(result.lost, [])
  t.ok(result.whole > 60 && result.excused > 0)
  t.equal(result.acrossReloads.length, 6)
  t.ok(Math.min(...result.acrossReloads) > 0, 'streams were open across each reload')
  t.ok(result.acrossHandover > 0, 'streams of the first gate outlived its last call')
  t.ok((result.byGate[1] ?? 0) > 0, 'the second gate had streams')
})
