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
  while (pool.budget.spend());
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
    return a?.health.isEjected
  }
  for (const status of [200, 400, 404, 413, 422, 429, 503]) t.equal(out(status), false, String(status))
  for (const status of [401, 403, 500, 502, 504]) t.equal(out(status), true, String(status))
})

t.test('a trial whose caller left is given to the next', async t => {
  let nowMs = 0
  const pool = poolOf(poolOptions('p', ['http://a', 'http://b']), { nowMs: () => nowMs })
  const [a] = pool.targets
  if (a === undefined) throw new Error('no target')
  for (let i = 0; i < 3; i++) pool.blame(a, new GateError('TOLLGATE_FORWARD_RESET'))
  nowMs = 10_000
  enter(pool).release()
  t.equal(enter(pool).target.origin, 'http://a')
})
