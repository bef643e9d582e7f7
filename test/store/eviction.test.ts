import t from 'tap'
import { startRedis, startRedisCluster, WITHOUT_REDIS } from '../helpers/redis.ts'
import { watchStore } from '../helpers/store-watch.ts'
import { until } from '../helpers/stores.ts'

t.test(
  'a store that drops keys when its memory is short is warned of at connect, and what to do',
  WITHOUT_REDIS,
  async t => {
    for (const policy of ['allkeys-lru', 'volatile-ttl']) {
      const server = await startRedis(t, ['--maxmemory-policy', policy])
      const store = watchStore(t, { url: server.url })
      await until(() => store.told.length > 0)
      t.match(store.told, [new RegExp(`^warn: .*\\(maxmemory-policy ${policy}\\)`)])
      t.match(store.fix(), /maxmemory-policy noeviction/)
      t.match(store.connection.status, { state: 'up', warnings: [/drops keys/] })
    }
  }
)

t.test('so is a cluster of which a part does', WITHOUT_REDIS, async t => {
  const server = await startRedisCluster(t, ['--maxmemory-policy', 'allkeys-random'])
  const store = watchStore(t, { url: server.url, cluster: true })
  await until(() => store.told.length > 0)
  t.match(store.told, [/^warn: .*\(maxmemory-policy allkeys-random\)/])
})

t.test('where the user may not ask, it says that it could not be checked', WITHOUT_REDIS, async t => {
  const rights = (more: string) => ['--user', 'gates', 'on', 'nopass', '~*', '+@all', '-config', ...more.split(' ')]
  const [blind, seeing] = [await startRedis(t, rights('-info')), await startRedis(t, rights('+ping'))]
  const at = ({ port }: { readonly port: number }) => ({ url: `redis://gates:x@127.0.0.1:${port}` })
  const store = watchStore(t, at(blind))
  await until(() => store.told.length > 0)
  t.match(store.told, [/^warn: .* could not be checked/])
  const other = watchStore(t, at(seeing))
  await other.isUp()
  // It was asked before this.
  await other.connection.run({ name: 'ask', text: 'return 1' }, [], [])
  t.strictSame(other.told, [], 'INFO is enough')
})
