import { createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import t, { type Test } from 'tap'
import { type Connection, Connections, createResting } from '../../src/forward/connections.ts'
import type { OnConnected } from '../../src/forward/connector.ts'
import { freePort } from '../helpers/ports.ts'
import { rested } from '../helpers/rested.ts'

async function fixture(t: Test, onConnected?: OnConnected) {
  const sockets = new Set<Socket>()
  const server = createServer((_request, response) => response.end('{}'))
  server.on('connection', socket => sockets.add(socket))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const target = {
    pool: 'p',
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    apiKey: null,
    ca: null,
    cert: null,
    key: null,
    timeouts: { connectMs: 1000, firstByteMs: 1000, idleMs: 1000, totalMs: 1000, maxConnectionMs: 300_000 }
  }
  const connections = new Connections(target, createResting(), { onConnected })
  t.teardown(() => connections.close())
  const use = async (connection: Connection) => {
    const { body } = await connection.client.request({ method: 'GET', path: '/' })
    await body.dump()
  }
  return { sockets, connections, use }
}

t.test('the connection that rested last is used next; others come only when they are needed', async t => {
  const { sockets, connections, use } = await fixture(t)
  const [a, b] = [connections.take(), connections.take()]
  await Promise.all([use(a), use(b)])
  connections.giveBack(a)
  await rested(connections)
  connections.giveBack(b)
  await rested(connections, 2)
  t.equal(connections.take(), b)
  t.equal(connections.take(), a)
  t.equal(connections.size, 2)
  t.equal(sockets.size, 2)
})

t.test('a connection rests before it is used again', async t => {
  const { connections, use } = await fixture(t)
  const connection = connections.take()
  await use(connection)
  connections.giveBack(connection)
  const other = connections.take()
  t.not(other, connection)
  await use(other)
  await rested(connections)
  t.equal(connections.take(), connection)
})

t.test('a connection that broke a moment ago is not used again, though nothing has told of it yet', async t => {
  const { connections, use } = await fixture(t)
  const connection = connections.take()
  await use(connection)
  connections.giveBack(connection)
  await rested(connections)
  connection.socket?.destroy()
  t.not(connections.take(), connection)
  t.equal(connections.size, 1)
})

t.test('a connection that breaks before its request is on it, and is made anew, has not been used before', async t => {
  const { sockets, connections, use } = await fixture(t)
  const connection = connections.take()
  await use(connection)
  connections.giveBack(connection)
  await rested(connections)
  t.equal(connections.take(), connection)
  t.equal(connection.isReused, true)
  connection.socket?.destroy()
  await use(connection)
  t.equal(sockets.size, 2)
  t.equal(connection.isReused, false)
})

t.test('an idle connection that the engine closes is dropped, and not used again', async t => {
  const { sockets, connections, use } = await fixture(t)
  const all = [connections.take(), connections.take(), connections.take()]
  await Promise.all(all.map(use))
  for (const connection of all) connections.giveBack(connection)
  await rested(connections, 3)
  const [first] = sockets
  const dropped = Promise.race(all.map(({ client }) => new Promise(resolve => client.once('disconnect', resolve))))
  first?.destroy()
  await dropped
  t.equal(connections.size, 2)
  const left = [connections.take(), connections.take()]
  t.ok(left.every(connection => connection.isConnected))
})

t.test('a connection that was dropped is gone at once', async t => {
  const { sockets, connections, use } = await fixture(t)
  const connection = connections.take()
  await use(connection)
  const [socket] = sockets
  const closed = new Promise(resolve => socket?.once('close', resolve))
  connections.drop(connection)
  await closed
  t.equal(connections.size, 0)
})

t.test('after the close nothing is kept, and what is given back ends', async t => {
  const { connections, use } = await fixture(t)
  const [idle, resting, busy] = [connections.take(), connections.take(), connections.take()]
  await Promise.all([use(idle), use(resting), use(busy)])
  connections.giveBack(idle)
  await rested(connections)
  connections.giveBack(resting)
  connections.close()
  t.equal(connections.size, 1)
  connections.giveBack(busy)
  t.equal(connections.size, 0)
})

t.test('how long it took is told once for each connection, not for calls on it, nor for one that failed', async t => {
  const told: string[] = []
  const { connections, use } = await fixture(t, (pool, tookMs) => told.push(`${pool} ${tookMs > 0}`))
  const connection = connections.take()
  await use(connection)
  await use(connection)
  t.strictSame(told, ['p true'])
  await use(connections.open())
  t.strictSame(told, ['p true', 'p true'])
  const dead = new Connections(
    { ...connections.target, origin: `http://127.0.0.1:${await freePort()}` },
    createResting(),
    { onConnected: () => told.push('dead') }
  )
  t.teardown(() => dead.close())
  await t.rejects(use(dead.take()))
  t.equal(told.length, 2)
})
