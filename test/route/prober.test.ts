import t, { type Test } from 'tap'
import type { Engine } from '../../src/engines/table.ts'
import { GateError } from '../../src/errors.ts'
import { createProber, type ProbeAnswer } from '../../src/route/prober.ts'
import type { Ms } from '../../src/time.ts'
import { ANYBODY, poolOf, poolOptions } from '../helpers/pools.ts'

/** A prober of one pool whose engines answer as the test says; resolves `asked` at each question. */
function scene(
  t: Test,
  engine: Engine,
  answers: (origin: string, path: string) => ProbeAnswer | Error,
  origins = ['http://a', 'http://b'],
  everyMs = 1
) {
  const log: string[] = []
  const asked: string[] = []
  const took: Ms[] = []
  let wake = () => {}
  const note = (_facts: object, message: string) => log.push(message)
  const pool = poolOf(poolOptions('p', origins, { engine, health: { everyMs, fall: 2, rise: 2 } }), {
    log: { warn: note, info: note }
  })
  const prober = createProber({
    ask: async ({ origin }, path) => {
      asked.push(`${origin}${path}`)
      const answer = answers(origin, path)
      setImmediate(() => wake())
      if (answer instanceof Error) throw answer
      return answer
    },
    onAnswered: (pool, tookMs) => {
      if (pool === 'p') took.push(tookMs)
    },
    nowMs: () => 0,
    random: () => 0,
    log: { error: note, warn: note, info: note }
  })
  // The prober's own clocks keep no process alive.
  const alive = setInterval(() => {}, 1_000)
  t.teardown(() => {
    clearInterval(alive)
    prober.close()
  })
  prober.follow([pool])
  const until = async (holds: () => boolean) => {
    while (!holds()) {
      await new Promise<void>(resolve => {
        wake = resolve
      })
    }
  }
  return { pool, prober, log, asked, took, until }
}

const ok = (body = '') => ({ status: 200, body })

t.test('an engine that does not answer is left out, and is back when it answers again', async t => {
  let isGone = true
  const s = scene(t, 'vllm', origin => (origin === 'http://a' && isGone ? new Error('refused') : ok()))
  await s.until(() => s.pool.targets[0]?.health.stateAt(0) === 'out')
  for (let i = 0; i < 5; i++) t.match(s.pool.enter(ANYBODY), { target: { origin: 'http://b' } })
  isGone = false
  await s.until(() => s.pool.targets[0]?.health.stateAt(0) === 'up')
  t.strictSame(s.log, ['an engine does not answer and is left out', 'an engine answers again'])
})

t.test('SGLang is never asked for its health, which would be a generation', async t => {
  const s = scene(t, 'sglang', (_origin, path) =>
    path === '/ping' ? ok() : ok('{"loads":[{"num_running_reqs":3,"num_waiting_reqs":1,"token_usage":0.5}]}')
  )
  await s.until(() => s.pool.targets.every(state => state.load !== null))
  t.strictSame(s.pool.targets[0]?.load, { running: 3, waiting: 1, cacheUse: 0.5 })
  t.notOk(s.asked.some(path => path.includes('health')))
})

t.test('LMDeploy answers 200 while it sleeps; its words count', async t => {
  const s = scene(t, 'lmdeploy', (_origin, path) => ok(path === '/health' ? '{"status":"sleeping"}' : ''))
  await s.until(() => s.pool.targets[0]?.health.stateAt(0) === 'out')
  t.pass()
})

t.test(
  'an engine that refuses the key of its pool is alive, and the operator is told once which key to set',
  async t => {
    let count = 0
    const s = scene(
      t,
      'vllm',
      () => {
        count++
        return { status: 401, body: '' }
      },
      ['http://a']
    )
    await s.until(() => count > 5)
    t.equal(s.pool.targets[0]?.health.stateAt(0), 'up')
    t.strictSame(s.log, ['an engine refuses the key of its pool'])
  }
)

t.test('a load that cannot be read is no load, and the engine is in', async t => {
  let rounds = 0
  const s = scene(t, 'vllm', (_origin, path) => {
    if (path !== '/metrics') return ok()
    rounds++
    return rounds % 2 === 0 ? { status: 404, body: '' } : new Error('reset')
  })
  await s.until(() => rounds > 6)
  t.ok(s.pool.targets.every(state => state.load === null && state.health.stateAt(0) === 'up'))
})

t.test('targets that are gone are not asked any more, new ones are', async t => {
  const s = scene(t, 'swift', () => ok())
  await s.until(() => s.asked.length > 3)
  s.pool.configure(
    poolOptions('p', ['http://b', 'http://c'], { engine: 'swift', health: { everyMs: 1, fall: 2, rise: 2 } })
  )
  s.prober.follow([s.pool])
  await s.until(() => s.asked.some(path => path.startsWith('http://c')))
  const before = s.asked.length
  await s.until(() => s.asked.length > before + 10)
  t.notOk(s.asked.slice(before).some(path => path.startsWith('http://a')))
})

t.test('how long engines took is told of every answer about their health, and of none that did not come', async t => {
  const s = scene(t, 'sglang', (origin, path) => {
    if (origin === 'http://b') return new Error('refused')
    return path === '/ping' ? ok() : ok('{"loads":[]}')
  })
  await s.until(() => s.asked.filter(url => url === 'http://b/ping').length >= 2)
  await s.until(() => s.asked.filter(url => url === 'http://a/ping').length >= 3)
  // The last question may not be answered yet.
  const answered = s.asked.filter(url => url === 'http://a/ping').length
  t.ok(s.took.length === answered || s.took.length === answered - 1, `${s.took.length} of ${answered}`)
  t.ok(s.took.every(ms => ms >= 0))
})

t.test('a target at which calls fail is asked at once, and left out for all when it does not answer well', async t => {
  const failed = new GateError('TOLLGATE_FORWARD_FAILED', { cause: 500 })
  const s = scene(
    t,
    'swift',
    origin => (origin === 'http://a' ? new Error('refused') : ok()),
    ['http://a', 'http://b'],
    60_000
  )
  const [a, b] = s.pool.targets
  if (a === undefined || b === undefined) throw new Error('no target')
  s.prober.check(b, failed)
  s.prober.check(a, failed)
  s.prober.check(a, failed)
  await s.until(() => a.health.isEjected)
  t.notOk(b.health.isEjected)
  const times = s.asked.filter(path => path.startsWith('http://a')).length
  t.ok(times <= 2, 'once besides its usual time, whatever fails meanwhile')
})

t.test('an engine that refuses calls with the key of its pool is asked what needs the key', async t => {
  const refused = new GateError('TOLLGATE_FORWARD_FAILED', { cause: 403 })
  const answers = (origin: string, path: string) =>
    origin === 'http://a' && path === '/v1/models' ? { status: 401, body: '' } : ok()
  const s = scene(t, 'vllm', answers, ['http://a', 'http://b', 'http://c', 'http://d'], 60_000)
  const [a, b] = s.pool.targets
  if (a === undefined || b === undefined) throw new Error('no target')
  s.prober.check(b, refused)
  s.prober.check(a, refused)
  await s.until(() => a.health.isEjected)
  t.notOk(b.health.isEjected, 'what one caller was refused is none of it')
})
