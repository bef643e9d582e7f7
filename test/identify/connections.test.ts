import { once } from 'node:events'
import { createServer as createHttp } from 'node:http'
import { createServer as createHttps } from 'node:https'
import { type AddressInfo, connect, type Server, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import t, { type Test } from 'tap'
import { Connections } from '../../src/identify/connections.ts'
import { banOptions } from '../helpers/ban-options.ts'
import { makeCertificate } from '../helpers/certificate.ts'

async function open(t: Test, connections: Connections, server: Server = createHttp()) {
  server.on('connection', (socket: Socket) => connections.take(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  /** One connection from an address of this machine. */
  const from = async (localAddress: string) => {
    const taken = once(server, 'connection')
    const socket = connect({ host: '127.0.0.1', port, localAddress })
    t.teardown(() => socket.destroy())
    socket.on('error', () => {})
    const closed = once(socket, 'close')
    await Promise.all([taken, once(socket, 'connect')])
    return { socket, closed }
  }
  return { port, from }
}

const limited = (maxConnections: number | null, trustedProxies: string[] = []) => ({
  ...banOptions({}, trustedProxies),
  maxConnections
})

t.test('B10: an address holds as many connections as it may, and one more when one of them has closed', async t => {
  const connections = new Connections(limited(2))
  const { from } = await open(t, connections)
  const [first] = [await from('127.0.0.1'), await from('127.0.0.1')]
  const third = await from('127.0.0.1')
  await third.closed
  t.equal(connections.refused, 1)
  await from('127.0.0.2')
  t.equal(connections.refused, 1, 'another address has its own')
  first.socket.destroy()
  await first.closed
  for (let held = false; !held; ) {
    const { refused } = connections
    const { socket } = await from('127.0.0.1')
    held = connections.refused === refused
    if (!held) socket.destroy()
  }
  const last = await from('127.0.0.1')
  await last.closed
})

t.test('without a number, and for a trusted proxy, there is no end, and nothing stays of what has closed', async t => {
  for (const options of [limited(null), limited(1, ['127.0.0.0/8'])]) {
    const connections = new Connections(options)
    const { from } = await open(t, connections)
    const all = await Promise.all(Array.from({ length: 30 }, () => from('127.0.0.1')))
    t.equal(connections.refused, 0)
    t.equal(connections.size, 1)
    for (const { socket } of all) socket.destroy()
    while (connections.size > 0) await new Promise(resolve => setImmediate(resolve))
  }
})

t.test('a reload changes how many there may be; what is open counts and stays open', async t => {
  const connections = new Connections(limited(null))
  const { from } = await open(t, connections)
  const all = [await from('127.0.0.1'), await from('127.0.0.1')]
  connections.follow(limited(1))
  await (await from('127.0.0.1')).closed
  t.ok(all.every(({ socket }) => !socket.destroyed))
  connections.follow(limited(3))
  t.notOk((await from('127.0.0.1')).socket.destroyed)
  t.equal(connections.refused, 1)
})

t.test('of a TLS listener a connection ends before its handshake', async t => {
  const { cert, key } = makeCertificate(t)
  const connections = new Connections(limited(1))
  const server = createHttps({ cert, key }, (_request, response) => response.end('served'))
  const { port } = await open(t, connections, server)
  const shake = () => {
    const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false })
    t.teardown(() => socket.destroy())
    return new Promise<string>(resolve => {
      socket.once('secureConnect', () => resolve('secure'))
      socket.once('error', () => resolve('refused'))
      socket.once('close', () => resolve('refused'))
    })
  }
  t.equal(await shake(), 'secure')
  t.equal(await shake(), 'refused')
  t.equal(connections.refused, 1)
})
