import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, Socket } from 'node:net'
import t, { type Test } from 'tap'
import { LIMITS } from '../src/accept/server-options.ts'
import { openConnections } from '../src/connections.ts'
import { banOptions } from './helpers/ban-options.ts'
import { stranger } from './helpers/strangers.ts'

function open(
  t: Test,
  of: { total?: number | null; address?: number | null; proxies?: string[]; descriptors?: number | null } = {}
) {
  const { total = null, address = null, proxies = [], descriptors = 1_024 } = of
  const said: object[] = []
  const records: object[] = []
  const at = { ms: 0 }
  const tell = (facts: object, message: string) => void said.push({ ...facts, message })
  const options = {
    accept: { maxConnections: total },
    identify: { ...banOptions({}, proxies), maxConnections: address }
  }
  const connections = openConnections(options, {
    nowMs: () => at.ms,
    log: { info: () => {}, warn: tell, error: tell },
    write: record => records.push(record),
    limits: LIMITS,
    descriptors
  })
  t.teardown(() => connections.close())
  return { connections, options, said, records, at }
}

async function serve(t: Test, { addresses, sockets }: ReturnType<typeof open>['connections']): Promise<number> {
  const server = createServer()
  sockets.watch(server, { isTls: false, admit: socket => addresses.take(socket) })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    sockets.destroyAll()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

t.test('connections that an address may not hold are told of with what to do, once a minute', async t => {
  const { connections, said, records, at } = open(t, { address: 1 })
  const take = () => {
    const socket = new Socket()
    Object.defineProperty(socket, 'remoteAddress', { value: '203.0.113.7' })
    connections.addresses.take(socket)
    return socket
  }
  take()
  t.ok(take().destroyed)
  take()
  t.match(said, [{ key: '203.0.113.7', refused: 1, fix: /clients\.max_connections/ }])
  t.match(records, Array(2).fill({ 'source.ip': '203.0.113.7', 'tollgate.code': 'TOLLGATE_ACCEPT_CONNECTIONS' }))
  at.ms = 60_000
  take()
  t.match(said[1], { refused: 3 })
})

t.test('without a number one address may hold a quarter of all, a trusted proxy as many as there may be', async t => {
  for (const [proxies, expected] of [
    [[], 2],
    [['127.0.0.1'], 8]
  ] as const) {
    const { connections } = open(t, { total: 8, proxies: [...proxies] })
    const port = await serve(t, connections)
    const all = []
    for (let i = 0; i < 8; i++) all.push(await stranger(t, port))
    await Promise.all(all.slice(expected).map(({ closed }) => closed))
    t.equal(connections.addresses.refused, 8 - expected)
    // Another address has a place all the same.
    await stranger(t, port, { localAddress: '127.0.0.2' })
    while (connections.stats().open.head < Math.min(8, expected + 1)) await new Promise(setImmediate)
  }
})

t.test('a reload changes how many there may be', async t => {
  const { connections, options, said } = open(t, { total: 1, address: 10 })
  const port = await serve(t, connections)
  const first = await stranger(t, port)
  const second = await stranger(t, port)
  await first.closed
  t.match(said, [{ max: 1, closed: 1, head: 1, fix: /server\.max_connections/ }])
  connections.follow({ ...options, accept: { maxConnections: 2 } })
  await stranger(t, port)
  while (connections.stats().open.head < 2) await new Promise(setImmediate)
  t.notOk(second.socket.destroyed)
  t.match(connections.stats(), { max: 2, refused: { address: 0, total: 1 } })
})

t.test('more connections than the process has descriptors for are told of when it starts', async t => {
  const many = open(t, { total: 1_000 })
  many.connections.start()
  t.match(many.said, [{ max: 1_000, descriptors: 1_024, fix: /ulimit/ }])
  const few = open(t)
  few.connections.start()
  t.strictSame(few.said, [])
  t.equal(few.connections.stats().max, 448)
})
