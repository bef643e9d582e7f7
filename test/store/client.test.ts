import t from 'tap'
import { makeCertificate } from '../helpers/certificate.ts'
import { freePort } from '../helpers/ports.ts'
import { startRedis, startReplica, startSentinel, WITHOUT_REDIS } from '../helpers/redis.ts'
import { watchStore } from '../helpers/store-watch.ts'
import { until } from '../helpers/stores.ts'

const GET = { name: 'get', text: "return redis.call('INCR', KEYS[1])" }

t.test('a cluster with TLS is found by names, and its certificates are checked for names', WITHOUT_REDIS, async t => {
  const { certFile, keyFile } = makeCertificate(t, 'DNS:localhost')
  const tlsPorts = [await freePort(), await freePort()]
  const nodes = await Promise.all(
    tlsPorts.map(port =>
      startRedis(t, [
        ...['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1', '--tls-port', String(port)],
        ...['--cluster-preferred-endpoint-type', 'hostname'],
        ...['--cluster-announce-hostname', 'localhost', '--tls-cert-file', certFile, '--tls-key-file', keyFile],
        ...['--tls-ca-cert-file', certFile, '--tls-auth-clients', 'no', '--tls-cluster', 'yes']
      ])
    )
  )
  const [one, two] = nodes as [(typeof nodes)[0], (typeof nodes)[0]]
  t.equal(await one.tell('CLUSTER ADDSLOTSRANGE 0 8191'), '+OK\r\n')
  t.equal(await two.tell('CLUSTER ADDSLOTSRANGE 8192 16383'), '+OK\r\n')
  await one.tell('CLUSTER SET-CONFIG-EPOCH 1')
  await two.tell('CLUSTER SET-CONFIG-EPOCH 2')
  t.equal(await one.tell(`CLUSTER MEET 127.0.0.1 ${tlsPorts[1]} ${two.busPort}`), '+OK\r\n')
  for (const { tell } of nodes) await until(async () => (await tell('CLUSTER INFO')).includes('cluster_state:ok'))
  await until(async () => (await one.tell('CLUSTER SLOTS')).match(/localhost/g)?.length === 2)
  const store = watchStore(t, { url: `rediss://localhost:${tlsPorts[0]}`, cluster: true, ca: certFile })
  await store.isUp()
  // One key of each node, by their slots.
  for (const key of ['{a}', '{b}', '{c}', '{d}']) t.equal(await store.connection.run(GET, [key], []), 1)
  t.strictSame(store.told, [])
  const stranger = watchStore(t, { url: `rediss://127.0.0.1:${tlsPorts[0]}`, cluster: true, ca: certFile })
  await stranger.isDown(/is for other names/)
  const named = { cluster: true, ca: certFile, server_name: 'localhost' }
  await watchStore(t, { url: `rediss://127.0.0.1:${tlsPorts[0]}`, ...named }).isUp()
  const gone = `rediss://localhost:${await freePort()}`
  await watchStore(t, { url: gone, cluster: true, nodes: [`localhost:${tlsPorts[1]}`], ca: certFile }).isUp()
})

t.test('a store that is none of what the options say is told apart', WITHOUT_REDIS, async t => {
  const single = await startRedis(t)
  await watchStore(t, { url: single.url, cluster: true }).isDown(/is no cluster/)
  const sentinel = await startSentinel(t, { master: single, replicas: 0 })
  await watchStore(t, { url: sentinel.url }).isDown(/lacks a command: it may be a Sentinel/)
  const other = { name: 'other', hosts: [`127.0.0.1:${sentinel.port}`], tls: false }
  await watchStore(t, { sentinel: other }).isDown(/know no master named "other"/)
  const numbered = watchStore(t, { sentinel: { ...other, name: 'gates' }, database: 3 })
  await numbered.isUp()
  await numbered.connection.run(GET, ['k'], [])
  t.match(await single.tell('INFO keyspace'), /db3:keys=2/)
})

t.test('a replica that is named as the store is said to be one', WITHOUT_REDIS, async t => {
  const master = await startRedis(t)
  const replica = await startReplica(t, master)
  const store = watchStore(t, { url: replica.url })
  await store.isDown(/is a replica/)
  await replica.tell('CONFIG SET replica-serve-stale-data no')
  await master.kill()
  await until(() => store.told.length > 1)
  t.strictSame(store.told, [
    'down: the store is a replica that takes no writes',
    'down: the store is a replica without its master'
  ])
})
