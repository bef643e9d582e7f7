import t from 'tap'
import { answerAfter, everyKnows, type OneOfGates, startGates } from '../helpers/gates.ts'
import { startRedis, startReplica, startSentinel, WITHOUT_REDIS } from '../helpers/redis.ts'
import { until } from '../helpers/stores.ts'

t.test(
  'a gateway behind Sentinels goes on while the master dies, says why, and shares its limits again',
  WITHOUT_REDIS,
  async t => {
    const master = await startRedis(t, ['--maxmemory-policy', 'allkeys-lru'])
    const replica = await startReplica(t, master)
    const sentinel = await startSentinel(t, { master })
    const { gates } = await startGates(t, {
      count: 1,
      engine: { script: answerAfter(0) },
      yaml: `teams: { team-a: { pool: p, limits: { rpm: 1M } } }
store: { sentinel: { name: gates, hosts: ["127.0.0.1:${sentinel.port}"] } }`
    })
    await everyKnows(gates, 1)
    const [gate] = gates as readonly [OneOfGates]
    await gate.process.says('store warning')
    t.match(gate.process.stderr(), /maxmemory-policy allkeys-lru/)
    const up = async () => (await gate.metrics()).value('tollgate_redis_up', { use: 'connection' })
    await until(async () => (await up()) === 1)
    t.equal((await gate.metrics()).value('tollgate_store_warnings'), 1)
    // Nobody promotes the replica before what is shown meanwhile has been looked at.
    await sentinel.tell('SENTINEL SET gates down-after-milliseconds 3600000')
    await master.kill()
    await gate.process.says('store unavailable')
    let slowestMs = 0
    const call = async () => {
      const beganAt = performance.now()
      t.equal((await gate.chat()).status, 200)
      slowestMs = Math.max(slowestMs, performance.now() - beganAt)
    }
    for (let i = 0; i < 5; i++) await call()
    t.equal(await up(), 0)
    const ready = await (await fetch(`${gate.adminUrl}/readyz`)).text()
    t.match(ready, /the store has closed the connection|refuses connections|no Sentinel answers/)
    await sentinel.tell('SENTINEL SET gates down-after-milliseconds 300')
    await gate.process.says('store available again')
    await until(async () => (await gate.status()).owed === 0)
    for (const use of ['connection', 'limits', 'bans', 'revocations'])
      await until(async () => (await gate.metrics()).value('tollgate_redis_up', { use }) === 1)
    await call()
    t.match(await replica.tell('EXISTS tollgate:1:{team-a}:t:rpm'), ':1')
    t.comment(`the slowest call took ${slowestMs.toFixed(0)} ms`)
    t.ok(slowestMs < 5_000)
  }
)
