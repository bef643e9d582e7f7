import t from 'tap'
import { type OneOfGates, startGates } from '../helpers/gates.ts'
import { startRedis, startRedisCluster, WITHOUT_REDIS } from '../helpers/redis.ts'
import { connected, until } from '../helpers/stores.ts'

/** What one call uses in the end. */
const USED = 25
const answer = (delayMs: number) => ({
  kind: 'json' as const,
  delayMs,
  body: {
    id: 'c',
    object: 'chat.completion',
    model: 'm',
    choices: [],
    usage: { prompt_tokens: USED - 5, completion_tokens: 5, total_tokens: USED }
  }
})
const secondsOf = (duration: string) => {
  const [, minutes = '0', seconds = '0'] = /^(?:(\d+)m)?(\d+)s$/.exec(duration) ?? []
  return Number(minutes) * 60 + Number(seconds)
}
const everyKnows = async (gates: readonly OneOfGates[], count: number) => {
  for (const gate of gates) await until(async () => (await gate.status()).gates === count)
}

for (const count of [1, 3]) {
  t.test(
    `a hundred calls at once, a limit of 100 tokens, ${count} gate(s) with a store: no more than what was reserved in flight goes over it, and the debt is paid`,
    WITHOUT_REDIS,
    async t => {
      const server = await startRedis(t)
      const { gates, engine } = await startGates(t, {
        count,
        engine: { script: answer(300) },
        yaml: `teams: { team-a: { pool: p, limits: { tpm: 100 } } }
limits: { reserve_output: max_tokens }
store: { url: "${server.url}" }`
      })
      await everyKnows(gates, count)
      const startedAt = performance.now()
      const answers = await Promise.all(
        Array.from({ length: 100 }, (_, i) => (gates[i % count] as OneOfGates).chat({ max_tokens: 1 }))
      )
      const tookSec = (performance.now() - startedAt) / 1_000
      const passed = answers.filter(({ status }) => status === 200)
      t.equal(answers.filter(({ status }) => status === 429).length, 100 - passed.length)
      const remaining = passed.map(({ headers }) => Number(headers.get('x-ratelimit-remaining-tokens')))
      const reserved = 100 - Math.max(...remaining)
      t.ok(reserved > 1 && reserved < USED)
      let unanswered = 0
      for (const gate of gates) unanswered += (await gate.status()).unanswered
      // What is left is told in whole tokens. What was reserved never went over the limit and what filled it meanwhile, so that
      // what was used did by the rest alone. A gate whose store is late, on a machine with much to do, has its share besides.
      const most = (unanswered === 0 ? 100 : 200) + (tookSec * 100) / 60
      t.ok(passed.length >= 1 && passed.length * (reserved - 1) <= most, `${passed.length}, unanswered ${unanswered}`)
      t.equal((await engine.requests()).length, passed.length)
      const [first] = gates as readonly [OneOfGates]
      const owed = async () => secondsOf((await first.limit('team.tpm')).reset)
      await until(async () => Math.abs((await owed()) - passed.length * USED * 0.6) < tookSec + 5)
      t.equal((await first.chat({ max_tokens: 1 })).status, 429)
      const before = await owed()
      await until(async () => (await owed()) <= before - 2)
    }
  )
}

t.test(
  'a store that dies and comes back in the middle: nobody is refused for it, nobody hangs, no lease is left',
  WITHOUT_REDIS,
  async t => {
    const server = await startRedis(t)
    const { gates } = await startGates(t, {
      count: 2,
      engine: { script: answer(5) },
      yaml: `teams: { team-a: { pool: p, limits: { concurrent: 200, rpm: 1M }, budget: { tokens: 1G, per: month } } }
store: { url: "${server.url}" }`
    })
    await everyKnows(gates, 2)
    const statuses = new Map<number, number>()
    let calls = 0
    let isOver = false
    const caller = async (gate: OneOfGates) => {
      while (!isOver) {
        const { status } = await gate.chat()
        statuses.set(status, (statuses.get(status) ?? 0) + 1)
        calls++
      }
    }
    const callers = gates.flatMap(gate => Array.from({ length: 4 }, () => caller(gate)))
    const more = async (count: number) => {
      const from = calls
      await until(() => calls >= from + count)
    }
    await more(50)
    await server.kill()
    for (const gate of gates) await gate.process.says('the store of limits is away')
    await more(100)
    for (const gate of gates) {
      t.match(await gate.status(), { isReady: true, store: 'away' })
      const now = await gate.metrics()
      t.equal(now.value('tollgate_redis_up', { use: 'limits' }), 0)
      t.equal(now.value('tollgate_limiter_fallback_active'), 1)
      t.ok((now.value('tollgate_limiter_unanswered_total') ?? 0) >= 5)
      t.ok((now.value('tollgate_limiter_seconds_count', { backend: 'redis' }) ?? 0) > 0)
      t.ok((now.value('tollgate_limiter_seconds_count', { backend: 'memory' }) ?? 0) > 0, 'decided by itself')
    }
    await server.start()
    for (const gate of gates) await gate.process.says('the store of limits is there again')
    // Alive and deaf is worse than dead.
    server.freeze()
    await more(100)
    server.thaw()
    await more(50)
    isOver = true
    await Promise.all(callers)
    t.strictSame([...statuses.keys()], [200])
    for (const gate of gates) await until(async () => (await gate.status()).store === 'there')
    const { connection } = await connected(t, server)
    const ask = (text: string, key: string) => connection.run({ name: text, text }, [key], [])
    await until(
      async () => (await ask("return redis.call('ZCARD', KEYS[1])", 'tollgate:1:{team-a}:t:concurrent')) === 0
    )
    for (const gate of gates) {
      t.equal(
        gate.process.stderr().match(/the store of limits is away/g)?.length,
        gate.process.stderr().match(/is there again/g)?.length
      )
      t.equal((await gate.limit('team.concurrent')).remaining, 200)
      await until(async () => (await gate.metrics()).value('tollgate_redis_up', { use: 'limits' }) === 1)
      const now = await gate.metrics()
      t.equal(now.value('tollgate_limiter_fallback_active'), 0)
      t.equal(now.value('tollgate_limiter_gates'), 2)
      t.equal(now.value('tollgate_limit_leases'), 0)
      t.ok((now.value('tollgate_budget_used_ratio', { team: 'team-a', budget: 'tokens_per_month' }) ?? 0) > 0)
    }
  }
)

t.test('what a killed gate held ends within thirty seconds', WITHOUT_REDIS, async t => {
  const server = await startRedis(t)
  const { gates, engine } = await startGates(t, {
    count: 2,
    engine: { script: { kind: 'stall' } },
    yaml: `teams: { team-a: { pool: p, limits: { concurrent: 1 } } }
store: { url: "${server.url}" }`
  })
  await everyKnows(gates, 2)
  const [doomed, other] = gates as readonly [OneOfGates, OneOfGates]
  const held = doomed.chat().catch(() => null)
  await engine.waitFor('request')
  t.equal((await other.chat()).status, 429)
  doomed.process.child.kill('SIGKILL')
  await held
  const { connection } = await connected(t, server)
  const left = `local t = redis.call('TIME')
local held = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
return { #held / 2, tonumber(held[2]) - t[1] * 1000 - math.floor(t[2] / 1000) }`
  const [count, ms] = (await connection.run(
    { name: 'left', text: left },
    ['tollgate:1:{team-a}:t:concurrent'],
    []
  )) as number[]
  t.equal(count, 1)
  t.ok((ms ?? 0) > 0 && (ms ?? 0) <= 30_000, `${ms}`)
})

t.test('gates share a cluster too, the limits of teams and those of all', WITHOUT_REDIS, async t => {
  const server = await startRedisCluster(t)
  const { gates } = await startGates(t, {
    count: 2,
    engine: { script: answer(0) },
    yaml: `teams: { team-a: { pool: p, limits: { rpm: 5 } } }
limits: { default: { concurrent: 9 }, global: { rpm: 3 } }
store: { url: "${server.url}", cluster: true }`
  })
  await everyKnows(gates, 2)
  const statuses: number[] = []
  for (let i = 0; i < 6; i++) statuses.push((await (gates[i % 2] as OneOfGates).chat()).status)
  t.strictSame(statuses, [200, 200, 200, 429, 429, 429])
  const [first, second] = gates as readonly [OneOfGates, OneOfGates]
  t.equal((await first.limit('team.rpm')).remaining, 2)
  t.equal((await second.limit('user.concurrent')).remaining, 9)
})

t.test('where the operator wants it, nothing that is limited passes without the store', WITHOUT_REDIS, async t => {
  const server = await startRedis(t)
  const { gates } = await startGates(t, {
    count: 1,
    engine: { script: answer(0) },
    yaml: `teams: { team-a: { pool: p, limits: { rpm: 1M } } }
limits: { on_store_failure: deny }
store: { url: "${server.url}" }`
  })
  await everyKnows(gates, 1)
  const [gate] = gates as readonly [OneOfGates]
  await until(async () => (await gate.chat()).status === 200)
  await server.kill()
  const refused = await gate.chat()
  t.equal(refused.status, 503)
  t.equal(refused.headers.get('retry-after'), '2')
  t.match(((await refused.json()) as { error: object }).error, { code: 'limits_unavailable' })
  t.equal((await gate.status()).isReady, true)
  await server.start()
  await until(async () => (await gate.chat()).status === 200)
})
