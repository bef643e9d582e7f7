import t from 'tap'
import { startRedis, WITHOUT_REDIS } from '../helpers/redis.ts'
import { type RevokingGate, startRevokingGates } from '../helpers/revoking-gates.ts'

t.test('a gate that starts refuses from its first request on what another gate has revoked', WITHOUT_REDIS, async t => {
  const redis = await startRedis(t)
  const { gates, issuer } = await startRevokingGates(t, {
    count: 2,
    yaml: number => `store: { url: "${redis.url}" }${number === 1 ? '\nrevocation: { keep: kept.json }' : ''}`
  })
  const [first, second] = gates as readonly [RevokingGate, RevokingGate]
  const [a, b] = [await issuer.sign({ sub: 'a' }), await issuer.sign({ sub: 'b' })]
  second.process.child.kill('SIGKILL')
  await second.process.exit
  t.equal((await first.admin('POST', '', { sub: 'a' })).status, 201)

  await t.test('it waits for a store that is slow to answer', async t => {
    redis.freeze()
    const before = second.process
    const restarted = second.restart()
    while (second.process === before) await new Promise(resolve => setImmediate(resolve))
    await second.process.says('keys are in use')
    t.notMatch(second.process.stderr(), /the gate is open/)
    redis.thaw()
    await restarted
    t.equal(await second.status(a), 401)
    t.equal(await second.status(b), 200)
  })

  await t.test('it does not wait for ever, says so, and has what it has kept', async t => {
    await redis.kill()
    await second.restart()
    t.match(second.process.stderr(), /the gate opens without what other gates have revoked/)
    t.match(await second.detail(), { store: { state: 'unread' } })
    t.equal(await second.status(a), 401)
    t.equal(await second.status(b), 200)
  })
})
