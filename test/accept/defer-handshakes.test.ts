import { once } from 'node:events'
import { createServer } from 'node:https'
import { type AddressInfo, connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import t, { type Test } from 'tap'
import { deferHandshakes } from '../../src/accept/defer-handshakes.ts'
import { ReadTurns } from '../../src/accept/read-turns.ts'
import { makeCertificate } from '../helpers/certificate.ts'
import { clientHello } from '../helpers/strangers.ts'

const MOST_IN_TURN = 4

/** A server of TLS whose handshakes are deferred. */
async function serve(t: Test) {
  const server = createServer(makeCertificate(t), (_request, response) => response.end('hello'))
  let [begun, inTurn, mostInTurn] = [0, 0, 0]
  server.on('connection', () => {
    begun++
    mostInTurn = Math.max(mostInTurn, ++inTurn)
    if (inTurn === 1) {
      setImmediate(() => {
        inTurn = 0
      })
    }
  })
  const begin = deferHandshakes(server, new ReadTurns())
  server.on('connection', begin)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return {
    server,
    to: { host: '127.0.0.1', port: (server.address() as AddressInfo).port },
    begun: () => begun,
    mostInTurn: () => mostInTurn
  }
}

t.test('a connection costs no TLS session before its caller has sent something', async t => {
  const { server, to, begun } = await serve(t)
  const silent = connect(to)
  t.teardown(() => silent.destroy())
  await once(server, 'connection')
  await new Promise(resolve => setImmediate(resolve))
  t.equal(begun(), 0)
  const hello = await clientHello()
  silent.write(hello)
  // The server's part of the handshake.
  await once(silent, 'data')
  t.equal(begun(), 1)
})

t.test('of many handshakes that come at once only a few begin in one turn, and all of them end', async t => {
  const { to, begun, mostInTurn } = await serve(t)
  const answers = Array.from({ length: 40 }, async () => {
    const client = connectTls({ ...to, rejectUnauthorized: false })
    client.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    let text = ''
    for await (const piece of client) text += String(piece)
    return text
  })
  for (const text of await Promise.all(answers)) t.match(text, /hello$/)
  t.equal(begun(), 40)
  t.ok(mostInTurn() <= MOST_IN_TURN, `${mostInTurn()}`)
})

t.test('half a hundred handshakes that go no further keep others waiting for less than their own time', async t => {
  const { to } = await serve(t)
  const half = (await clientHello()).subarray(0, 100)
  for (let n = 0; n < 50; n++) {
    const socket = connect({ ...to, localAddress: '127.0.0.2' })
    socket.on('error', () => {})
    socket.write(half)
    t.teardown(() => socket.destroy())
  }
  const client = connectTls({ ...to, rejectUnauthorized: false })
  t.teardown(() => client.destroy())
  await once(client, 'secureConnect')
})

t.test('the connection of a caller who leaves without a word ends', async t => {
  const { server, to, begun } = await serve(t)
  const accepted = once(server, 'connection')
  const silent = connect(to)
  silent.end()
  await accepted
  await once(silent, 'close')
  const count = () => new Promise(resolve => server.getConnections((_err, count) => resolve(count)))
  while ((await count()) !== 0) await new Promise(resolve => setImmediate(resolve))
  t.equal(begun(), 0)
})
