import { createServer, type Server } from 'node:net'
import t, { type Test } from 'tap'
import { Connections } from '../../src/forward/connections.ts'
import { type Addresses, Connector } from '../../src/forward/connector.ts'
import { startNameServer, type Zone } from '../helpers/name-server.ts'
import { freePort } from '../helpers/ports.ts'
import { resolverAt } from '../helpers/resolvers.ts'

async function listenAt(t: Test, address: string, port: number): Promise<Server> {
  const server = createServer(socket => {
    t.teardown(() => socket.destroy())
    socket.on('error', () => {})
  })
  await new Promise<void>(resolve => server.listen(port, address, resolve))
  t.teardown(() => server.close())
  return server
}

async function scene(t: Test, zone: Zone) {
  const names = await startNameServer(t, { gpu: zone })
  const port = await freePort()
  const target = {
    pool: 'p',
    origin: `http://gpu:${port}`,
    apiKey: null,
    ca: null,
    cert: null,
    key: null,
    timeouts: { connectMs: 1_000, firstByteMs: 1_000, idleMs: 1_000, totalMs: 1_000, maxConnectionMs: 300_000 }
  }
  const resolver = resolverAt(t, names.address)
  const moves: (readonly (readonly string[])[])[] = []
  const waiting: (() => void)[] = []
  const textOf = (list: Addresses) => list?.map(({ address }) => address) ?? []
  const onAddresses = (_target: unknown, now: Addresses, before: Addresses) => {
    moves.push([textOf(now), textOf(before)])
    for (const wake of waiting.splice(0)) wake()
  }
  const moved = async (count: number) => {
    while (moves.length < count) await new Promise<void>(resolve => waiting.push(resolve))
    return moves[count - 1]
  }
  const gone: string[] = []
  const connector = new Connector(target, { resolver, onAddresses }, slot => gone.push(slot.address))
  t.teardown(() => connector.name.close())
  const alive = setInterval(() => {}, 60_000)
  t.teardown(() => clearInterval(alive))
  const connect = async () =>
    await new Promise<string>(resolve =>
      connector.connect(null, (error, socket, slot) => {
        if (socket !== null) t.teardown(() => socket.destroy())
        resolve(slot?.address ?? String((error as NodeJS.ErrnoException).code))
      })
    )
  return { names, port, target, resolver, connector, connect, moved, gone }
}

t.test('a socket waits for the first answer of its name; its addresses take turns', async t => {
  const s = await scene(t, { a: ['127.0.0.1', '127.0.0.2'] })
  for (const address of ['127.0.0.1', '127.0.0.2']) await listenAt(t, address, s.port)
  t.strictSame([await s.connect(), await s.connect()].sort(), ['127.0.0.1', '127.0.0.2'])
})

t.test('an address that refuses costs no call, and has no turn for a while', async t => {
  const s = await scene(t, { a: ['127.0.0.1', '127.0.0.2'] })
  await listenAt(t, '127.0.0.2', s.port)
  for (let i = 0; i < 3; i++) t.equal(await s.connect(), '127.0.0.2')
  t.equal(s.connector.rotation.slots[0]?.failures, 1, 'it was tried once')
})

t.test('a name that cannot be resolved says so, after the time of the resolver and not of the connection', async t => {
  const s = await scene(t, 'silent')
  t.equal(await s.connect(), 'DNS_TIMEOUT')
})

t.test('who is told of moves hears what there is and what there was', async t => {
  const s = await scene(t, { a: ['127.0.0.1'] })
  t.strictSame(await s.moved(1), [['127.0.0.1'], []])
  s.names.zones.set('gpu', { a: ['127.0.0.2', '127.0.0.1'] })
  t.strictSame(await s.moved(2), [['127.0.0.1', '127.0.0.2'], ['127.0.0.1']])
  s.names.zones.set('gpu', { a: ['127.0.0.2'] })
  await s.moved(3)
  t.strictSame(s.gone, ['127.0.0.1'])
})

t.test('a connection to an address that is gone ends when it is given back, and one that is too old too', async t => {
  const s = await scene(t, { a: ['127.0.0.1'] })
  const server = await listenAt(t, '127.0.0.1', s.port)
  server.on('connection', socket =>
    socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'))
  )
  const { timeouts } = s.target
  const use = async (connections: Connections) => {
    const connection = connections.take()
    const { body } = await connection.client.request({ method: 'GET', path: '/' })
    await body.dump()
    return connection
  }
  const young = new Connections({ ...s.target, timeouts: { ...timeouts, maxConnectionMs: 0 } }, undefined, {
    resolver: s.resolver
  })
  t.teardown(() => young.close())
  young.giveBack(await use(young))
  t.equal(young.size, 0)

  let onMoved = () => {}
  const moved = new Promise<void>(resolve => {
    onMoved = resolve
  })
  const onAddresses = (_target: unknown, now: Addresses) => (now?.[0]?.address === '127.0.0.2' ? onMoved() : undefined)
  const connections = new Connections(s.target, undefined, { resolver: s.resolver, onAddresses })
  t.teardown(() => connections.close())
  const connection = await use(connections)
  s.names.zones.set('gpu', { a: ['127.0.0.2'] })
  await moved
  connections.giveBack(connection)
  while (connections.size > 0) await new Promise(resolve => setTimeout(resolve, 5))
  t.equal(connections.idle, 0)
})
