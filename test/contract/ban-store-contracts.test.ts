import t, { type Test } from 'tap'
import { type BanStore, KEEP_MS, MAX_NEWS } from '../../src/identify/ban-store.ts'
import { MemoryBanStore } from '../../src/identify/ban-store-memory.ts'
import { ValkeyBanStore } from '../../src/identify/ban-store-valkey.ts'
import { BEGINNING, banOf } from '../helpers/ban-stores.ts'
import { type RedisServer, startRedisWithRights, WITHOUT_REDIS } from '../helpers/redis.ts'
import { connected } from '../helpers/stores.ts'

type Open = (t: Test, maxKept?: number) => Promise<BanStore>
/** One of each kind for all tests: a cluster needs two seconds to begin. */
const servers: { single?: Promise<RedisServer>; cluster?: Promise<RedisServer> } = {}
const file = t
const redis =
  (isCluster: boolean): Open =>
  async (t, maxKept) => {
    servers[isCluster ? 'cluster' : 'single'] ??= startRedisWithRights(file, { isCluster })
    const server = await servers[isCluster ? 'cluster' : 'single']
    await server?.tell('FLUSHALL')
    const { connection } = await connected(t, server, { isCluster })
    return new ValkeyBanStore(connection, maxKept === undefined ? {} : { maxKept })
  }

const TWINS: Record<string, Open> = {
  memory: async (_t, maxKept) => new MemoryBanStore({ nowMs: Date.now, ...(maxKept === undefined ? {} : { maxKept }) }),
  'redis-server, with the rights of the README': redis(false),
  'redis-server as a cluster, with the same rights': redis(true)
}

for (const [twin, open] of Object.entries(TWINS)) {
  t.test(twin, twin === 'memory' ? {} : WITHOUT_REDIS, async t => {
    const keysOf = async (store: BanStore) =>
      (await store.trade([], BEGINNING)).changes.map(({ key, ban }) => (ban === null ? `-${key}` : key))

    t.test('who asks is told what was decided behind his bookmark, once', async t => {
      const store = await open(t)
      const first = await store.trade([banOf('203.0.113.1', 60_000, 3)], BEGINNING)
      t.match(first.changes, [{ key: '203.0.113.1', ban: { ip: '203.0.113.1', reason: 'failures', times: 3 } }])
      const leftMs = first.changes[0]?.ban?.leftMs ?? 0
      t.ok(leftMs > 30_000 && leftMs <= 60_000)
      t.strictSame((await store.trade([], first.bookmark)).changes, [])
      await store.trade([banOf('203.0.113.2')], BEGINNING)
      const next = await store.trade([], first.bookmark)
      t.match(next.changes, [{ key: '203.0.113.2' }])
      t.equal(next.changes.length, 1)
      t.equal(next.bookmark.epoch, first.bookmark.epoch)
    })

    t.test('what was told last of an address holds, and a lift is told like a ban', async t => {
      const store = await open(t)
      await store.trade([banOf('203.0.113.1'), banOf('203.0.113.2')], BEGINNING)
      await store.trade([{ key: '203.0.113.1', ban: null }], BEGINNING)
      t.strictSame(await keysOf(store), ['203.0.113.2', '-203.0.113.1'])
      await store.trade([banOf('203.0.113.1')], BEGINNING)
      t.strictSame(await keysOf(store), ['203.0.113.2', '203.0.113.1'])
    })

    t.test('one that has ended is still told of for a day, then not any more', async t => {
      const store = await open(t)
      await store.trade([banOf('203.0.113.1', -1_000), banOf('203.0.113.2', -KEEP_MS - 1_000)], BEGINNING)
      t.strictSame(await keysOf(store), ['203.0.113.1'])
    })

    t.test('it keeps no more than it may: those that end first go first', async t => {
      const store = await open(t, 3)
      for (let i = 1; i <= 5; i++) await store.trade([banOf(`203.0.113.${i}`, (6 - i) * 10_000)], BEGINNING)
      await store.trade([banOf('203.0.113.9', 90_000)], BEGINNING)
      t.strictSame(await keysOf(store), ['203.0.113.1', '203.0.113.2', '203.0.113.9'])
    })

    t.test('more than one answer holds comes in several', async t => {
      const store = await open(t)
      const all = Array.from({ length: MAX_NEWS + 5 }, (_, i) => banOf(`10.1.${i >> 8}.${i & 255}`))
      for (let i = 0; i < all.length; i += 300) await store.trade(all.slice(i, i + 300), BEGINNING)
      const first = await store.trade([], BEGINNING)
      t.match({ count: first.changes.length, isMore: first.isMore }, { count: MAX_NEWS, isMore: true })
      const rest = await store.trade([], first.bookmark)
      t.match({ count: rest.changes.length, isMore: rest.isMore }, { count: 5, isMore: false })
    })

    t.test('a bookmark of another history reads from the beginning', async t => {
      const store = await open(t)
      await store.trade([banOf('203.0.113.1')], BEGINNING)
      const { changes } = await store.trade([], { epoch: 'before the store was started anew', seq: 1_000 })
      t.equal(changes.length, 1)
    })
  })
}
