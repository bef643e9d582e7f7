import t from 'tap'
import { answerAfter, everyKnows, type OneOfGates, startGates, USED } from '../helpers/gates.ts'
import { startRedis, WITHOUT_REDIS } from '../helpers/redis.ts'
import { connected } from '../helpers/stores.ts'

t.test(
  'a budget outlives its gate, and what a gate that is stopped has on its way is in it',
  WITHOUT_REDIS,
  async t => {
    const server = await startRedis(t)
    const { gates, engine } = await startGates(t, {
      count: 2,
      engine: { script: answerAfter(300) },
      yaml: `teams: { team-a: { pool: p, budget: { tokens: 10K, per: month } } }
store: { url: "${server.url}" }`
    })
    await everyKnows(gates, 2)
    const [stopped, other] = gates as readonly [OneOfGates, OneOfGates]
    t.equal((await stopped.chat()).status, 200)
    const last = stopped.chat()
    await engine.waitFor('request', 2)
    stopped.process.child.kill('SIGTERM')
    t.equal((await last).status, 200)
    t.equal(await stopped.process.exit, 0)
    t.equal((await other.limit('team.tokens_per_month')).remaining, 10_000 - 2 * USED)
    await everyKnows([other], 1)
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
