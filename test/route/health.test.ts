import t from 'tap'
import { Health } from '../../src/route/health.ts'

const health = () => new Health({ fall: 3, rise: 2 })
/** No connection came about: nobody's call is the reason. */
const ANYONE = { team: null, isTrial: false }
const TRIAL = { team: null, isTrial: true }
const of = (team: string, isTrial = false) => ({ team, isTrial })
const SEC = 1_000

t.test('the third failure in a row is one too many; an answer or progress between them starts anew', async t => {
  const h = health()
  t.strictSame([h.failed(ANYONE), h.failed(ANYONE), h.failed(ANYONE)], [false, false, true])
  const answered = health()
  answered.failed(ANYONE)
  answered.failed(ANYONE)
  t.notOk(answered.succeeded(0), 'which was not out')
  t.strictSame([answered.failed(ANYONE), answered.failed(ANYONE)], [false, false])
  answered.progressed()
  t.notOk(answered.failed(ANYONE))
})

t.test('calls that fail together put it out once, for as long as three do', async t => {
  const h = health()
  for (let i = 0; i < 8; i++) if (h.failed(ANYONE)) h.eject(0)
  t.equal(h.stateAt(10 * SEC), 'trial')
  h.beginTrial(10 * SEC)
  t.ok(h.failed(TRIAL), 'one that tries it counts')
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
    t.ok(h.failed(TRIAL), 'one failure of a trial is enough')
  }
  h.eject(now)
  now += 300 * SEC
  h.beginTrial(now)
  h.endTrial()
  t.equal(h.stateAt(now), 'trial', 'a caller who left has proved nothing')
  h.beginTrial(now)
  t.equal(h.stateAt(now + 10 * SEC), 'trial', 'and one that takes for ever does not keep the others')
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

t.test('failures of one team are not enough, however many; one of another team beside them is', async t => {
  const h = health()
  for (let i = 0; i < 100; i++) t.notOk(h.failed(of('red')))
  t.ok(h.failed(of('blue')))
  const mixed = health()
  t.strictSame([mixed.failed(of('red')), mixed.failed(ANYONE), mixed.failed(of('red'))], [false, false, true])
  const answered = health()
  answered.failed(of('red'))
  answered.failed(of('red'))
  answered.progressed()
  t.notOk(answered.failed(of('blue')))
})

t.test('one team cannot keep a target out by trying it, and the next may try at once', async t => {
  const h = health()
  h.eject(0)
  for (let i = 0; i < 5; i++) {
    t.equal(h.stateAt(10 * SEC), 'trial')
    h.beginTrial(10 * SEC)
    t.notOk(h.failed(of('red', true)))
  }
  h.beginTrial(10 * SEC)
  t.ok(h.failed(of('blue', true)), 'two teams can')
  t.equal(h.eject(10 * SEC), 20 * SEC)
})
