import { rmSync } from 'node:fs'
import t from 'tap'
import { startFaultProxy } from '../helpers/fault-proxy.ts'
import {
  type RedisServer,
  startRedis,
  startRedisCluster,
  startReplica,
  startSentinel,
  WITHOUT_REDIS
} from '../helpers/redis.ts'
import { watchStore } from '../helpers/store-watch.ts'
import { until } from '../helpers/stores.ts'

const COUNT = { name: 'count', text: "return redis.call('INCR', KEYS[1])" }
const WHO = { name: 'who', text: "return redis.call('GET', KEYS[1])" }
const KEYS = ['tollgate:1:{*}:count']

/** Where a Sentinel says that the master is: its port. */
const namedBy = async ({ tell }: RedisServer) =>
  Number((await tell('SENTINEL get-master-addr-by-name gates')).split('\r\n')[4])

t.test('a master that becomes a replica and keeps its connections is left for the new one', WITHOUT_REDIS, async t => {
  const [old, next] = await Promise.all([startRedis(t), startRedis(t)])
  let port = old.port
  const proxy = await startFaultProxy(t, () => port)
  const store = watchStore(t, { url: `redis://127.0.0.1:${proxy.port}` })
  await store.isUp()
  t.equal(await store.connection.run(COUNT, KEYS, []), 1)
  await next.tell('SET tollgate:1:{*}:count 41')
  await old.tell(`REPLICAOF 127.0.0.1 ${next.port}`)
  await store.isDown(/replica/)
  await t.rejects(store.connection.run(COUNT, KEYS, []))
  port = next.port
  await store.isUp()
  t.equal(await store.connection.run(COUNT, KEYS, []), 42)
  t.strictSame(store.told, ['down: the store is a replica that takes no writes', 'up'])
})

t.test('a peer that is cut off without a word is left within seconds', WITHOUT_REDIS, async t => {
  const server = await startRedis(t)
  const proxy = await startFaultProxy(t, server.port)
  const store = watchStore(t, { url: `redis://127.0.0.1:${proxy.port}` }, { silentMs: 300 })
  await store.isUp()
  const before = proxy.accepted
  const dark = { kind: 'blackhole', after: 0 } as const
  proxy.setOpen({ toServer: dark, toClient: dark })
  await store.isDown(/stopped answering/)
  await store.isUp()
  t.equal(proxy.accepted, before + 1)
  t.strictSame(store.told, ['down: the store has stopped answering', 'up'])
})

t.test('a server that stands still says so, and is used again when it goes on', WITHOUT_REDIS, async t => {
  const server = await startRedis(t)
  const store = watchStore(t, { url: server.url }, { silentMs: 300 })
  await store.isUp()
  server.freeze()
  await store.isDown(/takes connections and answers nothing within 1000 ms/)
  server.thaw()
  await store.isUp()
  t.equal(await store.connection.run(COUNT, KEYS, []), 1)
})

t.test('a server that takes no writes says why, and is used again when it does', WITHOUT_REDIS, async t => {
  const server = await startRedis(t)
  const store = watchStore(t, { url: server.url })
  await store.isUp()
  const configure = async (line: string) => t.equal(await server.tell(`CONFIG SET ${line}`), '+OK\r\n', line)
  for (const [breaks, mends, why] of [
    ['min-replicas-to-write 1', 'min-replicas-to-write 0', 'too few of its replicas are there'],
    ['maxmemory 1', 'maxmemory 0', 'its memory is full']
  ] as const) {
    await configure(breaks)
    const told = store.told.length
    await store.isDown(new RegExp(why))
    await t.rejects(store.connection.run(COUNT, KEYS, []), new RegExp(why), 'a caller is told the same')
    await configure(mends)
    await store.isUp()
    const since = store.told.slice(told).filter(line => !line.startsWith('warn'))
    t.strictSame(since, [`down: the store takes no writes: ${why}`, 'up'])
  }
  // Its folder is gone, and with it the snapshot.
  await configure('save "3600 1"')
  rmSync(server.dir, { recursive: true })
  await server.tell('BGSAVE')
  await store.isDown(/cannot save to its disk/)
  await configure('save ""')
  await store.isUp()
})

t.test('Sentinels lead to the master: after a failover, and after a kill', WITHOUT_REDIS, async t => {
  const master = await startRedis(t)
  const replicas = await Promise.all([startReplica(t, master), startReplica(t, master)])
  const sentinel = await startSentinel(t, { master, replicas: 2 })
  const hosts = ['127.0.0.1:1', `127.0.0.1:${sentinel.port}`]
  const store = watchStore(t, { sentinel: { name: 'gates', hosts, tls: false } })
  await store.isUp()
  const who = () => store.connection.run(WHO, KEYS, []).catch(() => null)
  const servers = [master, ...replicas]
  /** Resolves when the store leads to the server that the Sentinel names, which is another one than before. */
  const leadsOn = async (from: RedisServer, mark: string) => {
    const beganAt = performance.now()
    await until(async () => (await namedBy(sentinel)) !== from.port)
    const named = await namedBy(sentinel)
    const next = servers.find(({ port }) => port === named) as RedisServer
    await until(async () => (await next.tell(`SET ${KEYS[0]} ${mark}`)).startsWith('+OK'))
    const namedAt = performance.now()
    await until(async () => (await who()) === mark)
    const ms = (at: number) => (performance.now() - at).toFixed(0)
    t.comment(`${mark}: ${ms(beganAt)} ms, ${ms(namedAt)} ms of them after the Sentinel had named another master`)
    return next
  }
  await until(async () => (await sentinel.tell('SENTINEL FAILOVER gates')).startsWith('+OK'))
  const second = await leadsOn(master, 'failover')
  // The old master is still there, and still says that it is one: nothing has ended the connection to it.
  t.match(await master.tell('ROLE'), 'master')
  t.strictSame(store.told, ['down: the Sentinels name another master', 'up'])
  await until(async () => !(await sentinel.tell('SENTINEL MASTER gates')).includes('failover_in_progress'))
  await second.kill()
  await leadsOn(second, 'kill')
  await store.isUp()
  t.equal(store.told[2], 'down: the store has closed the connection')
  t.equal(store.told.at(-1), 'up')
})

t.test('a cluster that is down in part says so, and is used again when it is whole', WITHOUT_REDIS, async t => {
  const server = await startRedisCluster(t)
  const store = watchStore(t, { url: server.url, cluster: true })
  await store.isUp()
  await server.tell('CLUSTER DELSLOTS 0')
  await store.isDown(/a part of the cluster is down/)
  await server.tell('CLUSTER ADDSLOTS 0')
  await store.isUp()
  t.equal(await store.connection.run(COUNT, KEYS, []), 1)
})
