import t from 'tap'
import { ClusteredQuotaStore, tagOf } from '../../src/limit/quota-store-clustered.ts'
import { MemoryQuotaStore } from '../../src/limit/quota-store-memory.ts'
import { rate } from '../helpers/draws.ts'
import { startRedisCluster, WITHOUT_REDIS } from '../helpers/redis.ts'
import { connected } from '../helpers/stores.ts'

t.test('a key is placed by what stands in its first braces', async t => {
  t.strictSame(['a:{team}:b', '{x}{y}', 'none', '{}'].map(tagOf), ['team', 'x', 'none', '{}'])
})

t.test('what a first step has drawn is given back whole when a later one refuses', async t => {
  const store = new ClusteredQuotaStore(new MemoryQuotaStore({ nowMs: () => 0 }))
  const draws = [rate('{team}:tpm', 100), rate('{*}:all', 50)]
  t.match(await store.reserve('a', draws, 40), { refusal: null, used: [40, 40] })
  t.match(await store.reserve('b', draws, 20), { ticket: null, refusal: { draw: { key: '{*}:all' } }, used: [40, 40] })
  t.strictSame(await store.peek(draws), [40, 40])
})

t.test('buckets of one tag are one step, also where a cluster would refuse two', WITHOUT_REDIS, async t => {
  const { store: plain } = await connected(t, await startRedisCluster(t), { isCluster: true })
  const draws = [rate('{team}:tpm', 100), rate('{team}:rpm', 100), rate('{*}:all', 50)]
  await t.rejects(plain.reserve('x', draws, 1), /same slot|CROSSSLOT/)
  t.match(await new ClusteredQuotaStore(plain).reserve('y', draws, 1), { used: [1, 1, 1] })
})
