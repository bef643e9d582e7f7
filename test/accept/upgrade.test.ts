import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { routeUpgrades } from '../../src/accept/upgrade.ts'
import type { Upgrade } from '../../src/exchange.ts'

const HANDSHAKE = 'GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'

/** A server whose upgrades go to a handler like any other request. */
async function serve(
  t: Test,
  handler: (request: IncomingMessage, response: ServerResponse, of: Upgrade | null) => void
) {
  const server: Server = createServer()
  const upgradeOf = routeUpgrades({
    server,
    routing: (request, response) => handler(request, response, upgradeOf(request))
  })
  server.on('request', (request, response) => handler(request, response, upgradeOf(request)))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const sockets: Socket[] = []
  const closed = new Promise<void>(resolve =>
    server.once('connection', (socket: Socket) => socket.once('close', () => resolve()))
  )
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.closeAllConnections()
    server.close()
  })
  const open = (options = {}) => {
    const socket = connect({ port, host: '127.0.0.1', ...options })
    sockets.push(socket)
    socket.on('error', () => {})
    return socket
  }
  /** `closed` settles when the server has let go of its first connection. */
  return Object.assign(open, { closed })
}

const readAll = async (socket: Socket) => {
  let text = ''
  socket.on('data', piece => {
    text += String(piece)
  })
  await new Promise(resolve => socket.once('close', resolve))
  return text
}

t.test('a request for a WebSocket can be refused with an answer of HTTP, and its connection ends', async t => {
  const open = await serve(t, (_request, response, upgrade) => {
    response.writeHead(upgrade === null ? 200 : 403).end('no')
  })
  const socket = open()
  socket.write(HANDSHAKE)
  t.match(await readAll(socket), /^HTTP\/1\.1 403 [\s\S]*no/)
})

t.test('a caller who is refused and never closes his side holds no connection', async t => {
  const open = await serve(t, (_request, response) => response.writeHead(403).end('no'))
  const socket = open({ allowHalfOpen: true })
  socket.write(HANDSHAKE)
  let answer = ''
  socket.on('data', piece => {
    answer += String(piece)
  })
  const heard = new Promise(resolve => socket.once('end', resolve))
  await Promise.all([open.closed, heard])
  t.match(answer, /^HTTP\/1\.1 403 [\s\S]*no/, 'he has got his answer all the same')
})

t.test('what came behind the head is kept, and a plain request brings no socket', async t => {
  const heads: (string | null)[] = []
  const open = await serve(t, (_request, response, upgrade) => {
    heads.push(upgrade === null ? null : String(upgrade.head))
    response.writeHead(200, { connection: 'close' }).end()
  })
  const socket = open()
  socket.write(`${HANDSHAKE}early`)
  await readAll(socket)
  const plain = open()
  plain.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  await readAll(plain)
  t.strictSame(heads, ['early', null])
})

t.test('a caller who leaves before the answer closes the response, by a goodbye or by a reset', async t => {
  for (const leave of ['end', 'resetAndDestroy'] as const) {
    const { promise: asked, resolve: onAsked } = Promise.withResolvers<ServerResponse>()
    const open = await serve(t, (_request, response) => onAsked(response))
    const socket = open()
    socket.write(HANDSHAKE)
    const response = await asked
    const closed = new Promise(resolve => response.once('close', resolve))
    socket[leave]()
    await closed
    t.notOk(response.writableEnded, leave)
  }
})

t.test('behind a request that is not answered yet, a handshake ends the connection', async t => {
  const open = await serve(t, () => {})
  const socket = open()
  socket.write(`GET /slow HTTP/1.1\r\nHost: a\r\n\r\n${HANDSHAKE}`)
  t.equal(await readAll(socket), '')
})
