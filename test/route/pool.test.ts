import t from 'tap'
import { GateError } from '../../src/errors.ts'
import type { Lease } from '../../src/exchange.ts'
import { ANYBODY, poolOf, poolOptions } from '../helpers/pools.ts'

const FAILED = new GateError('TOLLGATE_FORWARD_UNREACHABLE', { cause: 'ECONNREFUSED' })
const RED = { team: 'red', isTrial: false }
const now = (lease: Lease | Promise<Lease>): Lease => {
  if (lease instanceof Promise) throw new Error('it waits')
  return lease
}

t.test('a call goes where least is in flight, and its place is free again when it ends, once', async t => {
  const pool = poolOf(poolOptions('p', ['http://a', 'http://b']))
  const first = now(pool.enter(ANYBODY))
  const second = now(pool.enter(ANYBODY))
  t.strictSame([first.target.origin, second.target.origin].sort(), ['http://a', 'http://b'])
  first.release()
  first.release()
  t.strictSame(pool.targets.map(state => state.inFlight).sort(), [0, 1])
  t.equal(now(pool.enter(ANYBODY)).target.origin, first.target.origin)
})

t.test('a full pool lets calls wait, and a full queue refuses them', async t => {
  const pool = poolOf(
    poolOptions('p', ['http://a'], { maxInflight: 2, queue: { size: 1, perTeam: 1, timeoutMs: 60_000 } })
  )
  const [a] = [now(pool.enter(ANYBODY)), now(pool.enter(ANYBODY))]
  const waiting = pool.enter(ANYBODY)
  t.ok(waiting instanceof Promise)
  await t.rejects(Promise.resolve(pool.enter(ANYBODY)), { code: 'TOLLGATE_ROUTE_FULL' })
  a.release()
  t.equal((await waiting).target.origin, 'http://a')
  t.equal(pool.queue.size, 0)
})

t.test('a target that is full is passed over; when all are, calls wait', async t => {
  const options = poolOptions('p', [], {
    targets: [
      { origin: 'http://a', weight: 1, maxInflight: 1 },
      { origin: 'http://b', weight: 1, maxInflight: 1 }
    ]
  })
  const pool = poolOf(options)
  const [a, b] = [now(pool.enter(ANYBODY)), now(pool.enter(ANYBODY))]
  t.not(a.target.origin, b.target.origin)
  const waiting = pool.enter(ANYBODY)
  b.release()
  t.equal((await waiting).target.origin, b.target.origin)
})

t.test('three failures in a row leave a target out, but never more than half of a pool', async t => {
  const log: object[] = []
  const warn = (facts: object) => log.push(facts)
  const pool = poolOf(poolOptions('p', ['http://a', 'http://b', 'http://c']), { log: { warn, info() {} } })
  const fail = (origin: string) => {
    const state = pool.targets.find(({ target }) => target.origin === origin)
    if (state !== undefined) for (let i = 0; i < 3; i++) pool.blame(state, FAILED, RED)
  }
  fail('http://a')
  t.match(log, [{ pool: 'p', target: 'http://a', code: 'TOLLGATE_FORWARD_UNREACHABLE', forMs: 10_000 }])
  for (let i = 0; i < 10; i++) t.not(now(pool.enter(ANYBODY)).target.origin, 'http://a')
  fail('http://b')
  t.equal(log.length, 1, 'the second of three stays')
  const alone = poolOf(poolOptions('p', ['http://a']))
  for (let i = 0; i < 9; i++) {
    const [state] = alone.targets
    if (state !== undefined) alone.blame(state, FAILED, RED)
  }
  t.equal(now(alone.enter(ANYBODY)).target.origin, 'http://a')
})

t.test('after its time one call tries it; its answer brings it back, its failure does not', async t => {
  let nowMs = 0
  const pool = poolOf(poolOptions('p', ['http://a', 'http://b']), { nowMs: () => nowMs })
  const [a] = pool.targets
  if (a === undefined) throw new Error('no target')
  for (let i = 0; i < 3; i++) pool.blame(a, FAILED, RED)
  nowMs = 10_000
  const trial = now(pool.enter(ANYBODY))
  t.equal(trial.target.origin, 'http://a')
  t.equal(now(pool.enter(ANYBODY)).target.origin, 'http://b', 'the others go elsewhere meanwhile')
  trial.failed(FAILED)
  nowMs = 29_999
  t.equal(now(pool.enter(ANYBODY)).target.origin, 'http://b')
  nowMs = 30_000
  const again = now(pool.enter(ANYBODY))
  t.equal(again.target.origin, 'http://a')
  again.answered(200, null)
  t.equal(a.health.stateAt(nowMs), 'up')
})

t.test('when all are out, the least recently ejected is tried', async t => {
  let nowMs = 0
  const pool = poolOf(poolOptions('p', ['http://a', 'http://b']), { nowMs: () => nowMs })
  const [a, b] = pool.targets
  for (let i = 0; i < 3; i++) {
    nowMs++
    for (const state of [b, a]) state?.health.probed(false, nowMs)
    nowMs++
  }
  t.strictSame([a?.health.stateAt(nowMs), b?.health.stateAt(nowMs)], ['out', 'out'])
  t.equal(now(pool.enter(ANYBODY)).target.origin, 'http://a')
})

t.test('an engine that asks for a pause gets it; when all do, the caller is told for how long', async t => {
  let nowMs = 0
  const pool = poolOf(poolOptions('p', ['http://a', 'http://b']), { nowMs: () => nowMs })
  const lease = now(pool.enter(ANYBODY))
  lease.answered(429, 30)
  const other = now(pool.enter(ANYBODY))
  t.not(other.target.origin, lease.target.origin)
  other.answered(503, 7)
  t.throws(() => pool.enter(ANYBODY), { code: 'TOLLGATE_ROUTE_BUSY', told: { retryAfterSec: 7 } })
  nowMs = 7_000
  t.equal(now(pool.enter(ANYBODY)).target.origin, other.target.origin)
})

t.test(
  'a pause that one call was told of is none of other teams and models, and never stops a pool of one',
  async t => {
    const pool = poolOf(poolOptions('p', ['http://a', 'http://b']))
    for (let i = 0; i < 2; i++) now(pool.enter(ANYBODY)).answered(429, 60)
    t.throws(() => pool.enter(ANYBODY), { code: 'TOLLGATE_ROUTE_BUSY' })
    for (const other of [
      { ...ANYBODY, team: 'blue' },
      { ...ANYBODY, model: 'n' }
    ]) {
      t.equal(new Set([now(pool.enter(other)), now(pool.enter(other))].map(({ target }) => target.origin)).size, 2)
    }
    const alone = poolOf(poolOptions('p', ['http://a']))
    now(alone.enter(ANYBODY)).answered(429, 60)
    t.equal(now(alone.enter(ANYBODY)).target.origin, 'http://a', 'its engine says itself whether it still is')
  }
)

t.test('one that has asked for a pause is tried before one that is dead', async t => {
  const pool = poolOf(poolOptions('p', ['http://a', 'http://b']))
  const [a, b] = pool.targets
  for (let i = 0; i < 3; i++) b?.health.probed(false, 0)
  if (a !== undefined) pool.pause(a, ANYBODY, { status: 429, forMs: 60_000 })
  t.equal(now(pool.enter(ANYBODY)).target.origin, 'http://a')
})

t.test('failures of one team leave a target out for that team, and for nobody else', async t => {
  let nowMs = 0
  const log: object[] = []
  const suspected: string[] = []
  const note = (facts: object, message: string) => log.push({ ...facts, message })
  const pool = poolOf(poolOptions('p', ['http://a', 'http://b', 'http://c', 'http://d']), {
    nowMs: () => nowMs,
    onSuspected: ({ target }) => suspected.push(target.origin),
    log: { warn: note, info: note }
  })
  const enter = (team: string) => now(pool.enter({ ...ANYBODY, team }))
  for (let i = 0; i < 40; i++) enter('red').answered(500, null)
  t.ok(pool.targets.every(({ health }) => health.stateAt(nowMs) === 'up'))
  const seen = new Set(Array.from({ length: 40 }, () => enter('blue').target.origin))
  t.equal(seen.size, 4)
  const own = pool.targets.filter(state => state.stateFor('red', nowMs) === 'out')
  t.equal(own.length, 2, 'half of the pool at most')
  t.ok(
    own.every(({ target }) => suspected.includes(target.origin)),
    'each is asked whether it is well'
  )
  t.match(log[0], { message: 'upstream avoided for one team', pool: 'p', team: 'red', cause: 500, forMs: 10_000 })
  nowMs = 10_000
  const trial = enter('red')
  t.equal(trial.target.origin, own[0]?.target.origin)
  trial.answered(200, null)
  t.equal(own[0]?.stateFor('red', nowMs), 'up')
})

t.test(
  'a target that is not well when it is asked is left out for all, and so is one that two teams find broken',
  async t => {
    const pool = poolOf(poolOptions('p', ['http://a', 'http://b', 'http://c', 'http://d']))
    const [a, b] = pool.targets
    if (a === undefined || b === undefined) throw new Error('no target')
    const broken = new GateError('TOLLGATE_FORWARD_RESET', { wasSent: true })
    pool.confirm(a, broken)
    t.ok(a.health.isEjected)
    for (const team of ['red', 'red', 'red', 'blue']) pool.blame(b, broken, { team, isTrial: false })
    t.ok(b.health.isEjected)
  }
)

t.test('a reload keeps what is known of a target, and changes what it may take', async t => {
  const pool = poolOf(poolOptions('p', ['http://a', 'http://b'], { maxInflight: 1 }))
  const lease = now(pool.enter(ANYBODY))
  const waiting = pool.enter(ANYBODY)
  const known = pool.targets.find(({ target }) => target.origin === lease.target.origin)
  pool.configure(poolOptions('p', [lease.target.origin, 'http://c'], { maxInflight: 2 }))
  t.equal(pool.targets[0], known)
  t.equal((await waiting).target.origin, 'http://c', 'and who waits for room that is there now has it')
  lease.release()
  t.equal(known?.inFlight, 0)
})

/** Ended with an answer of so many tokens of output. */
const answered = (outputTokens: number) => ({
  usage: {
    source: 'engine_final' as const,
    inputTokens: 0,
    cachedInputTokens: null,
    outputTokens,
    reasoningTokens: null,
    audioSeconds: null
  },
  status: 200,
  failure: null
})

t.test('whoever has had fewer tokens has the next place, and a reload does not forget it', async t => {
  const options = (size: number) =>
    poolOptions('p', ['http://a'], { maxInflight: 1, queue: { size, perTeam: size, timeoutMs: 60_000 } })
  const pool = poolOf(options(20))
  const of = (team: string, weight = 1) => ({ ...ANYBODY, team, weight })
  const order: string[] = []
  const held: Lease[] = []
  const ask = (team: string, weight?: number) => {
    void Promise.resolve(pool.enter(of(team, weight))).then(lease => {
      order.push(team)
      held.push(lease)
    })
  }
  const settled = () => new Promise(resolve => setImmediate(resolve))
  const next = async (outputTokens: number) => {
    held.shift()?.release(answered(outputTokens))
    await settled()
  }
  for (let i = 0; i < 6; i++) ask('a')
  await settled()
  for (let i = 0; i < 6; i++) ask('b')
  await next(1_000)
  t.strictSame(order, ['a', 'b'])
  pool.configure(options(30))
  await next(100)
  await next(100)
  await next(5_000)
  t.strictSame(order, ['a', 'b', 'b', 'b', 'a'])
  const lane = pool.queue.laneOf('default')
  t.strictSame([lane.waiting, lane.running], [7, 1])
  while (held.length > 0) await next(1)
  t.strictSame([order.length, lane.teams], [12, 0])
})

t.test('the capacity of a pool is what it and its targets take together', async t => {
  const targets = ['http://a', 'http://b'].map(origin => ({ origin, weight: 1, maxInflight: 3 }))
  t.equal(poolOf(poolOptions('p', [], { targets })).queue.capacity, 6)
  t.equal(poolOf(poolOptions('p', [], { targets, maxInflight: 4 })).queue.capacity, 4)
  t.equal(poolOf(poolOptions('p', ['http://a'])).queue.capacity, Number.POSITIVE_INFINITY)
})

t.test('a place that nobody came for costs its team nothing', async t => {
  const pool = poolOf(poolOptions('p', ['http://a'], { maxInflight: 2 }))
  const other = now(pool.enter({ ...ANYBODY, team: 'blue' }))
  const lane = pool.queue.laneOf('default')
  const before = lane.counterOf('red')
  now(pool.enter(ANYBODY)).release()
  t.equal(lane.counterOf('red') ?? 0, before ?? 0)
  t.equal(lane.running, 1)
  other.release(answered(10))
  t.equal(lane.teams, 0)
})
