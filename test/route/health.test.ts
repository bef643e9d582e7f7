import t from 'tap'
import { Health } from '../../src/route/health.ts'

const health = () => new Health({ fall: 3, rise: 2 })
const SEC = 1_000

t.test('the third failure in a row is one too many; an answer or progress between them starts anew', async t => {
  const h = health()
  t.strictSame([h.failed(), h.failed(), h.failed()], [false, false, true])
  const answered = health()
  answered.failed()
  answered.failed()
  t.notOk(answered.succeeded(0), 'which was not out')
  t.strictSame([answered.failed(), answered.failed()], [false, false])
  answered.progressed()
  t.notOk(answered.failed())
})

t.test('calls that fail together put it out once, for as long as three do', async t => {
  const h = health()
  for (let i = 0; i < 8; i++) if (h.failed()) h.eject(0)
  t.equal(h.stateAt(10 * SEC), 'trial')
  h.beginTrial(10 * SEC)
  t.ok(h.failed(), 'one that tries it counts')
})

t.test('out for 10 s, doubled each time up to 300 s; then one call at a time may try it', async t => {
  const h = health()
  let now = 0
  for (const forSec of [10, 20, 40, 80, 160, 300, 300]) {
    t.equal(h.eject(now), forSec * SEC)
    t.equal(h.stateAt(now + forSec * SEC - 1), 'out')
    now += forSec * SEC
    t.equal(h.stateAt(now), 'trial')
    h.beginTrial(now)
    t.equal(h.stateAt(now), 'out', 'for everybody else')
    t.ok(h.failed(), 'one failure of a trial is enough')
  }
  h.eject(now)
  now += 300 * SEC
  h.beginTrial(now)
  h.endTrial()
  t.equal(h.stateAt(now), 'trial', 'a caller who left has proved nothing')
  h.beginTrial(now)
  t.equal(h.stateAt(now + 60 * SEC), 'trial', 'and one that takes for ever does not keep the others')
  t.ok(h.succeeded(now))
  t.equal(h.stateAt(now), 'up')
})

t.test('a target that flaps waits longer and longer; five minutes without trouble are forgiven', async t => {
  const h = health()
  h.eject(0)
  h.succeeded(10 * SEC)
  t.equal(h.eject(20 * SEC), 20 * SEC)
  h.succeeded(40 * SEC)
  t.equal(h.eject(341 * SEC), 10 * SEC)
})

t.test('so many probes must fail in a row, and so many pass; progress is as good as a probe', async t => {
  const h = health()
  t.strictSame([h.probed(false, 0), h.probed(false, 1), h.probed(true, 2)], [null, null, null])
  t.strictSame([h.probed(false, 3), h.probed(false, 4)], [null, null])
  h.progressed()
  t.equal(h.probed(false, 5), null, 'an engine that writes tokens is alive')
  t.strictSame([h.probed(false, 6), h.probed(false, 7), h.probed(false, 8)], [null, null, 'down'])
  t.equal(h.stateAt(8), 'out')
  t.strictSame(
    [h.probed(true, 9), h.probed(false, 10), h.probed(true, 11), h.probed(true, 12)],
    [null, null, null, 'up']
  )
  t.equal(h.stateAt(12), 'up')
})

t.test('an answer to a call brings back what probes had put out', async t => {
  const h = health()
  for (let i = 0; i < 3; i++) h.probed(false, i)
  t.equal(h.stateAt(3), 'out')
  t.ok(h.succeeded(3))
  t.equal(h.stateAt(3), 'up')
})

t.test('one that asked to be left alone is, for as long as it said', async t => {
  const h = health()
  h.busy(0, 2 * SEC)
  h.busy(0, 1 * SEC)
  t.equal(h.busyUntil(1_999), 2 * SEC)
  t.equal(h.busyUntil(2_000), 0)
})
