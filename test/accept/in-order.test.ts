import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import t, { type Test } from 'tap'
import { type Serve, serveInOrder } from '../../src/accept/in-order.ts'
import { LoopTurns } from '../../src/accept/loop-turns.ts'
import { stranger } from '../helpers/strangers.ts'

async function serve(t: Test, listener: Serve, isEnding = () => false, turns?: Pick<LoopTurns, 'take' | 'wait'>) {
  const server = createServer()
  const ended: Socket[] = []
  const closed: Socket[] = []
  server.on('connection', socket => socket.once('close', () => closed.push(socket)))
  serveInOrder(server, listener, { onTooMany: socket => ended.push(socket), isEnding, ...(turns && { turns }) })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, ended, closed }
}

const get = (path: number | string) => `GET /${path} HTTP/1.1\r\nHost: a\r\nX-Pad: ${'x'.repeat(400)}\r\n\r\n`
const post = (path: number, body: string) =>
  `POST /${path} HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`

t.test('500 requests that are sent at once run one after the other, and are answered in their order', async t => {
  let [running, most] = [0, 0]
  const { port } = await serve(t, ({ url }, response) => {
    most = Math.max(most, ++running)
    setImmediate(() => {
      running--
      response.end(`<${url}>`)
    })
  })
  const { socket, text, closed } = await stranger(t, port)
  const paths = Array.from({ length: 500 }, (_, number) => number)
  socket.write(`${paths.map(get).join('')}${get('last').replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n')}`)
  await closed
  t.equal(most, 1)
  t.strictSame(
    [...text().matchAll(/<\/(\w+)>/g)].map(([, path]) => path),
    [...paths.map(String), 'last']
  )
})

t.test('bodies wait with their requests', async t => {
  const { port } = await serve(t, async (request, response) => {
    let body = ''
    for await (const piece of request) body += String(piece)
    response.end(`<${body.length}>`)
  })
  const sizes = [10, 200_000, 7, 300_000]
  const { socket, text } = await stranger(t, port)
  socket.write(sizes.map((size, number) => post(number, 'x'.repeat(size))).join(''))
  while (!text().includes('<300000>')) await once(socket, 'data')
  t.strictSame(
    [...text().matchAll(/<(\d+)>/g)].map(([, size]) => Number(size)),
    sizes
  )
})

t.test('a connection that asks for more than can wait ends, and what waited never begins', async t => {
  const begun: [IncomingMessage, ServerResponse][] = []
  const { port, ended } = await serve(t, (...both) => void begun.push(both))
  const { closed, text } = await stranger(t, port, { bytes: 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(2_000) })
  await closed
  t.equal(begun.length, 1)
  t.equal(ended.length, 1)
  t.equal(text(), '')
})

t.test('behind the last answer of a connection nothing runs', async t => {
  const begun: (string | undefined)[] = []
  const { port } = await serve(t, ({ url }, response) => {
    begun.push(url)
    response.setHeader('connection', 'close')
    response.end('last')
  })
  const { closed, text } = await stranger(t, port, { bytes: get(1) + get(2) })
  await closed
  t.strictSame(begun, ['/1'])
  t.equal(text().split('HTTP/1.1').length, 2)
})

t.test('when the end has come, what waits does not begin, and the connection ends behind its answer', async t => {
  const begun: (string | undefined)[] = []
  const { port } = await serve(
    t,
    ({ url }, response) => {
      begun.push(url)
      setImmediate(() => response.end('last'))
    },
    () => true
  )
  const { closed, text } = await stranger(t, port, { bytes: get(1) + get(2) + get(3) })
  await closed
  t.strictSame(begun, ['/1'])
  t.match(text(), /last$/)
})

t.test('requests of many connections begin a few in each turn of the event loop, and all are answered', async t => {
  let [inTurn, most] = [0, 0]
  const { port } = await serve(
    t,
    (_request, response) => {
      most = Math.max(most, ++inTurn)
      if (inTurn === 1) {
        setImmediate(() => {
          inTurn = 0
        })
      }
      response.end('<done>')
    },
    undefined,
    new LoopTurns(2)
  )
  const callers = await Promise.all(Array.from({ length: 30 }, () => stranger(t, port)))
  for (const { socket } of callers) socket.write(get(1))
  for (const { socket, text } of callers) while (!text().includes('<done>')) await once(socket, 'data')
  t.ok(most <= 4, `${most}`)
})

t.test('a request that waits for its turn and whose caller has left never begins', async t => {
  const waiting: (() => void)[] = []
  const begun: (string | undefined)[] = []
  const turns = { take: () => false, wait: (_caller: string, begin: () => void) => void waiting.push(begin) }
  const { port, closed } = await serve(
    t,
    ({ url }, response) => {
      begun.push(url)
      response.end('done')
    },
    undefined,
    turns
  )
  const until = async (count: number) => {
    while (waiting.length < count) await new Promise(resolve => setImmediate(resolve))
  }
  const left = await stranger(t, port, { bytes: get(1) })
  await until(1)
  left.socket.destroy()
  while (closed.length === 0) await new Promise(resolve => setImmediate(resolve))
  const { text, socket } = await stranger(t, port, { bytes: get(2) })
  await until(2)
  for (const begin of waiting) begin()
  while (!text().includes('done')) await once(socket, 'data')
  t.strictSame(begun, ['/2'])
})
