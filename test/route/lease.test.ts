import t from 'tap'
import { GateError } from '../../src/errors.ts'
import type { Lease } from '../../src/exchange.ts'
import { ANYBODY, poolOf, poolOptions } from '../helpers/pools.ts'

const enter = (pool: ReturnType<typeof poolOf>) => pool.enter(ANYBODY) as Lease

t.test('a call that was not begun moves to targets that it has not been at, and takes its place along', async t => {
  const pool = poolOf(poolOptions('p', ['http://a', 'http://b', 'http://c', 'http://d']))
  const lease = enter(pool)
  const been = [lease.target.origin, lease.move()?.origin, lease.move()?.origin]
  t.equal(new Set(been).size, 3)
  t.equal(lease.move(), null, 'three times at most')
  t.strictSame(
    pool.targets.filter(state => state.inFlight > 0).map(state => state.target.origin),
    [been[2]]
  )
  lease.release()
  t.ok(pool.targets.every(state => state.inFlight === 0))
  t.equal(lease.move(), null)
})

t.test('where there is no other, the same is tried once more', async t => {
  const pool = poolOf(poolOptions('p', ['http://a']))
  const lease = enter(pool)
  t.equal(lease.move()?.origin, 'http://a')
  t.equal(pool.targets[0]?.inFlight, 1)
})

t.test('too much that was tried again of late is not tried again', async t => {
  const pool = poolOf(poolOptions('p', ['http://a', 'http://b']))
  while (pool.budget.spend('red'));
  t.equal(enter(pool).move(), null)
})

t.test('answers of the engine are no failures of its own; 5xx and refused keys are', async t => {
  const out = (status: number) => {
    const pool = poolOf(poolOptions('p', ['http://a', 'http://b']))
    const [a] = pool.targets
    for (let i = 0; i < 3; i++) {
      let lease = enter(pool)
      if (lease.target.origin !== 'http://a') lease = enter(pool)
      lease.answered(status, null)
    }
    return a?.stateFor('red', 0) === 'out'
  }
  for (const status of [200, 400, 404, 413, 422, 429, 503]) t.equal(out(status), false, String(status))
  for (const status of [401, 403, 500, 502, 504]) t.equal(out(status), true, String(status))
})

t.test('a trial whose caller left is given to the next', async t => {
  let nowMs = 0
  const pool = poolOf(poolOptions('p', ['http://a', 'http://b']), { nowMs: () => nowMs })
  const [a] = pool.targets
  if (a === undefined) throw new Error('no target')
  for (let i = 0; i < 3; i++)
    pool.blame(a, new GateError('TOLLGATE_FORWARD_UNREACHABLE'), { team: 'red', isTrial: false })
  nowMs = 10_000
  enter(pool).release()
  t.equal(enter(pool).target.origin, 'http://a')
})

t.test(
  'only an answer that was made brings a target back: one that refuses the body is no sign that it works',
  async t => {
    let nowMs = 0
    const pool = poolOf(poolOptions('p', ['http://a', 'http://b']), { nowMs: () => nowMs })
    const [a] = pool.targets
    if (a === undefined) throw new Error('no target')
    const refused = new GateError('TOLLGATE_FORWARD_UNREACHABLE')
    for (let i = 0; i < 3; i++) pool.blame(a, refused, { team: 'red', isTrial: false })
    nowMs = 10_000
    for (const status of [400, 429, 503]) {
      const lease = enter(pool)
      t.equal(lease.target.origin, 'http://a')
      lease.answered(status, null)
      lease.release()
      t.equal(a.health.stateAt(nowMs), 'trial', 'and the next may try')
    }
    enter(pool).answered(200, null)
    t.equal(a.health.stateAt(nowMs), 'up')
  }
)

t.test('a call that was there before a trial neither ends it nor fails it', async t => {
  let nowMs = 0
  const pool = poolOf(poolOptions('p', ['http://a', 'http://b']), { nowMs: () => nowMs })
  const [a] = pool.targets
  if (a === undefined) throw new Error('no target')
  const leases = [enter(pool), enter(pool), enter(pool), enter(pool)].filter(
    ({ target }) => target.origin === 'http://a'
  )
  const refused = new GateError('TOLLGATE_FORWARD_UNREACHABLE')
  for (let i = 0; i < 3; i++) pool.blame(a, refused, { team: 'red', isTrial: false })
  nowMs = 10_000
  const trial = enter(pool)
  leases[0]?.release()
  leases[1]?.failed(refused)
  t.not(enter(pool).target.origin, 'http://a', 'the trial goes on')
  trial.answered(200, null)
  t.equal(a.health.stateAt(nowMs), 'up')
})
