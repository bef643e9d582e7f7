import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { createServer as createTls } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import t, { type Test } from 'tap'
import { coalescedRequests } from '../../src/accept/coalesced-request.ts'
import { serveInOrder } from '../../src/accept/in-order.ts'
import { ReadTurns } from '../../src/accept/read-turns.ts'
import { makeCertificate } from '../helpers/certificate.ts'
import { stranger } from '../helpers/strangers.ts'

const HEAD = 'POST /chunks HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n'
const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
const TINY = '1\r\nx\r\n'

/** A server that answers a request when its body is whole. */
async function serve(t: Test, { isTls = false } = {}) {
  const turns = new ReadTurns()
  const options = { IncomingMessage: coalescedRequests(turns.spend) }
  const server = isTls ? createTls({ ...options, ...makeCertificate(t) }) : createServer(options)
  /** In the order in which they were whole. */
  const whole: string[] = []
  let turn = 0
  /** In which turn of the event loop the head of each request has come. */
  const turnOf: number[] = []
  let isOpen = true
  const count = () => {
    turn++
    if (isOpen) setImmediate(count)
  }
  count()
  serveInOrder(
    server,
    (request: IncomingMessage, response) => {
      if (request.url === '/chunks') turnOf.push(turn)
      let bytes = 0
      request.on('data', (piece: Buffer) => {
        bytes += piece.length
      })
      request.once('end', () => {
        whole.push(request.url ?? '')
        response.end(`<${bytes}>`)
      })
    },
    { spend: turns.spend }
  )
  turns.watch(server, { isTls })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    isOpen = false
    server.closeAllConnections()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, server, turns, whole, turnOf }
}

async function says(socket: Socket, text: () => string, wanted: string): Promise<void> {
  while (!text().includes(wanted)) await once(socket, 'data')
}

/** Runs no turn of the event loop meanwhile: what others send waits in the kernel. */
function stopFor(ms: number): void {
  const until = performance.now() + ms
  while (performance.now() < until);
}

t.test('of many connections whose small chunks come at once, only a few are read in one turn', async t => {
  const { port, whole, turnOf, turns } = await serve(t)
  const all = await Promise.all(
    Array.from({ length: 10 }, (_, number) => stranger(t, port, { localAddress: `127.0.3.${number + 1}` }))
  )
  // Each has been accepted.
  for (const { socket, text } of all) {
    socket.write(GET)
    await says(socket, text, '<0>')
  }
  whole.length = 0
  for (const { socket } of all) socket.write(`${HEAD}${TINY.repeat(10_000)}0\r\n\r\n`)
  stopFor(50)
  for (const { socket, text } of all) await says(socket, text, '<10000>')
  t.equal(whole.length, all.length)
  const most = Math.max(...turnOf.map(turn => turnOf.filter(other => other === turn).length))
  t.ok(most <= 3, `${most} heads in one turn`)
  while (turns.held > 0) await new Promise(resolve => setImmediate(resolve))
})

t.test('a connection that has had an answer is read before those that send small chunks are done', async t => {
  const { port, whole } = await serve(t)
  const others = await Promise.all(Array.from({ length: 10 }, () => stranger(t, port, { localAddress: '127.0.3.1' })))
  const honest = await stranger(t, port)
  honest.socket.write(GET)
  await says(honest.socket, honest.text, '<0>')
  for (const { socket } of others) socket.write(`${HEAD}${TINY.repeat(10_000)}0\r\n\r\n`)
  honest.socket.write('GET /honest HTTP/1.1\r\nHost: a\r\n\r\n')
  stopFor(50)
  for (const { socket, text } of others) await says(socket, text, '<10000>')
  t.ok(whole.indexOf('/honest') < 5, `${whole.indexOf('/honest')} others came first`)
})

t.test('turns go round by address, and are taken away from nobody who has ended', async t => {
  const { port, whole, turns } = await serve(t)
  const many = await Promise.all(Array.from({ length: 12 }, () => stranger(t, port, { localAddress: '127.0.3.1' })))
  const one = await stranger(t, port, { localAddress: '127.0.3.2' })
  // All of them wait for a turn before the one comes.
  for (const { socket } of many) socket.write(`${HEAD}${TINY.repeat(10_000)}`)
  while (turns.held < 8) await new Promise(resolve => setImmediate(resolve))
  for (const { socket } of many.slice(0, 4)) socket.destroy()
  one.socket.write(`${HEAD.replace('chunks', 'one')}${TINY.repeat(3_000)}0\r\n\r\n`)
  for (const { socket } of many.slice(4)) socket.write('0\r\n\r\n')
  await says(one.socket, one.text, '<3000>')
  const before = whole.indexOf('/one')
  for (const { socket, text } of many.slice(4)) await says(socket, text, '<10000>')
  t.ok(before < 6, `${before} of the many were whole before`)
  while (turns.held > 0) await new Promise(resolve => setImmediate(resolve))
})

t.test('a connection that an address begins after it has sent many small chunks is read in its turn', async t => {
  const { port, server, whole } = await serve(t)
  const isHeld = new Map<string, boolean>()
  server.on('connection', socket => isHeld.set(socket.remoteAddress ?? '', socket.isPaused()))
  const first = await stranger(t, port, { bytes: `${HEAD}${TINY.repeat(8_000)}0\r\n\r\n`, localAddress: '127.0.0.2' })
  await says(first.socket, first.text, '<8000>')
  t.equal(isHeld.get('127.0.0.2'), false)
  for (const localAddress of ['127.0.0.2', '127.0.0.3']) {
    const next = await stranger(t, port, { bytes: GET, localAddress })
    await says(next.socket, next.text, '<0>')
  }
  t.equal(isHeld.get('127.0.0.2'), true)
  t.equal(isHeld.get('127.0.0.3'), false)
  t.strictSame(whole, ['/chunks', '/', '/'])
})

t.test('many heads that are sent without waiting count as small chunks do', async t => {
  const { port, turns } = await serve(t)
  const all = await Promise.all(Array.from({ length: 12 }, () => stranger(t, port, { localAddress: '127.0.3.1' })))
  let most = 0
  for (const { socket } of all) socket.write(GET.repeat(250))
  for (const { socket, text } of all) {
    while (text().split('<0>').length <= 250) {
      most = Math.max(most, turns.held)
      await once(socket, 'data')
    }
  }
  t.ok(most > 0, `${most} were held`)
  while (turns.held > 0) await new Promise(resolve => setImmediate(resolve))
})

t.test('over TLS, too, a body of small chunks waits for its turn and comes whole', async t => {
  const { port, whole, turns } = await serve(t, { isTls: true })
  const sockets = await Promise.all(
    Array.from({ length: 6 }, async () => {
      const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
      t.teardown(() => socket.destroy())
      await once(socket, 'secureConnect')
      return socket
    })
  )
  const answers = sockets.map(async socket => String((await once(socket, 'data'))[0]))
  for (const socket of sockets) socket.write(`${HEAD}${TINY.repeat(9_000)}0\r\n\r\n`)
  stopFor(50)
  for (const answer of await Promise.all(answers)) t.match(answer, '<9000>')
  t.equal(whole.length, sockets.length)
  while (turns.held > 0) await new Promise(resolve => setImmediate(resolve))
})
