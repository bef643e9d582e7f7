import t from 'tap'
import { answerAfter, everyKnows, type OneOfGates, startGates, USED } from '../helpers/gates.ts'
import { startRedis, startRedisCluster, WITHOUT_REDIS } from '../helpers/redis.ts'
import { until } from '../helpers/stores.ts'

const secondsOf = (duration: string) => {
  const [, minutes = '0', seconds = '0'] = /^(?:(\d+)m)?(\d+)s$/.exec(duration) ?? []
  return Number(minutes) * 60 + Number(seconds)
}

for (const count of [1, 3]) {
  t.test(
    `a hundred calls at once, a limit of 100 tokens, ${count} gate(s) with a store: no more than what was reserved in flight goes over it, and the debt is paid`,
    WITHOUT_REDIS,
    async t => {
      const server = await startRedis(t)
      const { gates, engine } = await startGates(t, {
        count,
        engine: { script: answerAfter(300) },
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

t.test('gates share a cluster too, the limits of teams and those of all', WITHOUT_REDIS, async t => {
  const server = await startRedisCluster(t)
  const { gates } = await startGates(t, {
    count: 2,
    engine: { script: answerAfter(0) },
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
