import t from 'tap'
import { answerAfter, everyKnows, type OneOfGates, startGates } from '../helpers/gates.ts'
import { startRedis, WITHOUT_REDIS } from '../helpers/redis.ts'
import { connected, until } from '../helpers/stores.ts'

t.test(
  'a store that dies and comes back in the middle: nobody is refused for it, nobody hangs, no lease is left',
  WITHOUT_REDIS,
  async t => {
    const server = await startRedis(t)
    const { gates } = await startGates(t, {
      count: 2,
      engine: { script: answerAfter(5) },
      yaml: `teams: { team-a: { pool: p, limits: { concurrent: 200, rpm: 1M }, budget: { tokens: 1G, per: month } } }
store: { url: "${server.url}" }`
    })
    await everyKnows(gates, 2)
    const statuses = new Map<number, number>()
    const tookMs: number[] = []
    let calls = 0
    let isOver = false
    // What a gate's first calls cost has nothing to do with its store.
    let isWarm = false
    const caller = async (gate: OneOfGates) => {
      while (!isOver) {
        const beganAt = performance.now()
        const { status } = await gate.chat()
        if (isWarm) tookMs.push(performance.now() - beganAt)
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
    isWarm = true
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
    tookMs.sort((a, b) => a - b)
    const at = (share: number) => (tookMs[Math.floor((tookMs.length - 1) * share)] ?? 0).toFixed(0)
    t.comment(
      `${tookMs.length} calls of ${at(0.5)} ms, at most ${at(1)} ms, with the store killed, started again, frozen`
    )
    // The store has 50 ms to answer. What is more than that is how busy the machine is, and a hang is more than any of it.
    t.ok((tookMs.at(-1) ?? 0) < 5_000, `${at(1)} ms`)
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

t.test('where the operator wants it, nothing that is limited passes without the store', WITHOUT_REDIS, async t => {
  const server = await startRedis(t)
  const { gates } = await startGates(t, {
    count: 1,
    engine: { script: answerAfter(0) },
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
