import t, { type Test } from 'tap'
import { type SharedRevocations, ValkeyRevocations } from '../../src/authenticate/revocation-store.ts'
import { startRedisCluster, startRedisWithRights, WITHOUT_REDIS } from '../helpers/redis.ts'
import { MemoryRevocations, revocation } from '../helpers/revocations.ts'
import { connected } from '../helpers/stores.ts'

const MAX = 3

const TWINS: Record<string, (t: Test) => Promise<SharedRevocations>> = {
  memory: async () => new MemoryRevocations({ max: MAX }),
  'redis-server, with the rights of the README': async t => {
    const { connection } = await connected(t, await startRedisWithRights(t))
    return new ValkeyRevocations(connection, { max: MAX })
  },
  'redis-server as a cluster': async t => {
    const { connection } = await connected(t, await startRedisCluster(t), { isCluster: true })
    return new ValkeyRevocations(connection, { max: MAX })
  }
}

/** What has not ended for a long time. */
const FAR = Date.now() + 1e10

for (const [twin, open] of Object.entries(TWINS)) {
  t.test(twin, twin === 'memory' ? {} : WITHOUT_REDIS, async t => {
    const store = await open(t)
    const ids = async () => (await store.read(null))?.all.map(({ id }) => id).toSorted()
    const first = revocation({ id: 'a', value: 'é "quoted" \u2028', untilMs: FAR })

    t.strictSame(await ids(), [], 'empty at first')
    t.equal(await store.put(first), true)
    const read = await store.read(null)
    t.strictSame(read?.all, [first], 'as it was put')
    t.equal(await store.read(read?.version ?? null), null, 'nothing is told to whoever knows it')
    t.equal(await store.put(first), true)
    t.equal(await store.read(read?.version ?? null), null, 'the same once more changes nothing')

    await store.put(revocation({ id: 'b', untilMs: FAR }))
    const next = await store.read(read?.version ?? null)
    t.equal(next?.all.length, 2, 'the whole list with every change')
    t.not(next?.version, read?.version)

    const lifted = { ...first, liftedAtMs: 5 }
    await store.put(lifted)
    await store.put(first)
    t.strictSame(
      (await store.read(null))?.all.find(({ id }) => id === 'a'),
      lifted,
      'what was lifted stays so'
    )

    t.equal(await store.put(revocation({ id: 'c', kind: 'kid', untilMs: null, beforeMs: null })), true)
    t.equal(await store.put(revocation({ id: 'd', untilMs: FAR })), false, 'no more than there may be')
    t.strictSame(await ids(), ['a', 'b', 'c'])
    t.equal(await store.put({ ...first, id: 'b', liftedAtMs: 6 }), true, 'a full list can still be lifted from')
  })
}

t.test('what has ended a day ago makes room', WITHOUT_REDIS, async t => {
  const store = new ValkeyRevocations((await connected(t)).connection, { max: 2 })
  await store.put(revocation({ id: 'old', untilMs: Date.now() - 90_000_000 }))
  await store.put(revocation({ id: 'a', untilMs: Date.now() - 1_000 }))
  t.equal(await store.put(revocation({ id: 'b', untilMs: FAR })), true)
  t.strictSame((await store.read(null))?.all.map(({ id }) => id).toSorted(), ['a', 'b'])
})
