import { once } from 'node:events'
import { createServer as createHttp, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { createServer as createHttps } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import t, { type Test } from 'tap'
import { OpenSockets } from '../../src/accept/open-sockets.ts'
import type { SocketClocks, SocketEvents } from '../../src/accept/socket-clocks.ts'
import { makeCertificate } from '../helpers/certificate.ts'
import { clientHello, drip, stranger } from '../helpers/strangers.ts'

const NEVER = 3_600_000
const CLOCKS: SocketClocks = { handshakeMs: NEVER, headMs: NEVER, idleMs: NEVER, bodyMs: NEVER, checkEveryMs: 10 }
const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
const POST = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n'

async function serve(
  t: Test,
  init: {
    clocks?: Partial<SocketClocks>
    max?: number
    events?: SocketEvents
    isTls?: boolean
    listener?: RequestListener
    strangerOf?: (socket: Socket) => string | null
  } = {}
) {
  const { clocks = {}, max, events, isTls = false, listener = (_request, response) => response.end('served') } = init
  // Node's own clocks are not what is looked at.
  const node = { headersTimeout: 0, requestTimeout: 0, keepAliveTimeout: 0, handshakeTimeout: NEVER }
  const { cert, key } = isTls ? makeCertificate(t) : { cert: '', key: '' }
  const server = isTls ? createHttps({ ...node, cert, key }, listener) : createHttp(node, listener)
  const sockets = new OpenSockets({ ...CLOCKS, ...clocks }, max, events)
  sockets.watch(server, { isTls, ...(init.strangerOf && { strangerOf: init.strangerOf }) })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    sockets.destroyAll()
    sockets.close()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { port, server, sockets }
}

/** Resolves when there is nothing that is waited for. */
async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise(resolve => setTimeout(resolve, 5))
}

t.test(
  'a TLS handshake has one clock, however it is kept going, and nothing is written to who never ends it',
  async t => {
    const overdue: string[] = []
    const { port, sockets } = await serve(t, {
      isTls: true,
      clocks: { handshakeMs: 300 },
      events: { onOverdue: ({ state, address }) => overdue.push(`${state} ${address}`) }
    })
    const hello = await clientHello()
    const secure = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
    t.teardown(() => secure.destroy())
    await once(secure, 'secureConnect')
    const dripping = await stranger(t, port, { bytes: hello.subarray(0, 5) })
    drip(dripping, '\x01', 20)
    const all = [
      await stranger(t, port),
      await stranger(t, port, { bytes: '\x16' }),
      await stranger(t, port, { bytes: hello.subarray(0, hello.length / 2) }),
      dripping
    ]
    await Promise.all(all.map(({ closed }) => closed))
    t.strictSame(
      all.map(({ text }) => text()),
      ['', '', '', '']
    )
    t.strictSame(overdue, Array(4).fill('handshake 127.0.0.1'))
    t.strictSame(sockets.counts(), { handshake: 0, head: 1, request: 0, idle: 0 })
  }
)

t.test(
  'when hundreds of clocks run out at once, their connections end over several turns of the event loop',
  async t => {
    let [overdue, inTurn, mostInTurn] = [0, 0, 0]
    const { port, sockets } = await serve(t, {
      clocks: { headMs: 300 },
      events: {
        onOverdue() {
          overdue++
          mostInTurn = Math.max(mostInTurn, ++inTurn)
          if (inTurn === 1) {
            setImmediate(() => {
              inTurn = 0
            })
          }
        }
      }
    })
    const all = await Promise.all(Array.from({ length: 400 }, () => stranger(t, port)))
    await Promise.all(all.map(({ closed }) => closed))
    t.equal(overdue, 400)
    t.ok(mostInTurn <= 128, `${mostInTurn} in one turn`)
    t.equal(sockets.size, 0)
  }
)

t.test('a head, and the time between two requests, have a clock that no byte starts again', async t => {
  const { port, sockets } = await serve(t, { clocks: { headMs: 200, idleMs: 300 } })
  const slow = await stranger(t, port)
  for (const [at, letter] of [...GET].entries()) setTimeout(() => slow.socket.write(letter), 30 * at).unref()
  // Line ends before a request line are no part of a request (RFC 9112 section 2.2): for Node the connection is idle.
  const between = await stranger(t, port, { bytes: GET })
  await until(() => between.text().endsWith('served'))
  t.equal(sockets.counts().idle, 1)
  drip(between, '\r\n', 20)
  await Promise.all([slow.closed, between.closed])
  t.equal(slow.text(), '')
  t.equal(sockets.size, 0)
})

t.test('of one address with many silent connections the oldest end, but none where it is known who calls', async t => {
  const known = new Set<IncomingMessage>()
  const { port, sockets } = await serve(t, {
    strangerOf: ({ remoteAddress }) => remoteAddress ?? null,
    listener(request, response) {
      if (request.headers['x-known'] !== undefined) known.add(request)
      response.end('served')
    }
  })
  sockets.knowsBy(({ req }) => known.has(req))
  const callers = [
    await stranger(t, port, { bytes: GET.replace('\r\n', '\r\nX-Known: 1\r\n') }),
    await stranger(t, port, { bytes: GET })
  ]
  await until(() => callers.every(({ text }) => text().endsWith('served')))
  const silent = await Promise.all(Array.from({ length: 150 }, () => stranger(t, port)))
  await until(() => sockets.size === 1 + 128)
  const [first, second] = callers
  await second?.closed
  t.equal(first?.socket.destroyed, false)
  // Their clients hear of it a moment later.
  await until(() => silent.filter(({ socket }) => !socket.destroyed).length === 128)
})

t.test('when callers are let go, only those whose request is running are waited for', async t => {
  const waiting: ServerResponse[] = []
  const known = new Set<IncomingMessage>()
  const { port, server, sockets } = await serve(t, {
    listener(request, response) {
      if (request.headers['x-known'] !== undefined) known.add(request)
      waiting.push(response)
    }
  })
  sockets.knowsBy(({ req }) => known.has(req))
  const strangers = [
    await stranger(t, port),
    await stranger(t, port, { bytes: 'GET / HTTP/1.1\r\nHo' }),
    await stranger(t, port, { bytes: POST })
  ]
  const calling = await stranger(t, port, { bytes: GET })
  const sending = await stranger(t, port, { bytes: POST.replace('\r\n', '\r\nX-Known: 1\r\n') })
  await until(() => waiting.length === 3)
  const closed = once(server, 'close')
  server.close()
  sockets.letGo({ lingerMs: 50 })
  await Promise.all(strangers.map(({ closed }) => closed))
  t.strictSame(sockets.counts(), { handshake: 0, head: 0, request: 2, idle: 0 })
  t.strictSame([calling.text(), sending.text()], ['', ''])
  sockets.destroyStrangers()
  await calling.closed
  t.equal(sockets.counts().request, 1)
  for (const response of waiting) response.end('served')
  await Promise.all([closed, sending.closed])
  t.match(sending.text(), /served$/)
})

t.test('a newcomer takes the place of who is longest without a request, and of nobody who has one', async t => {
  const full: string[] = []
  const { port, sockets } = await serve(t, {
    max: 3,
    events: { onFull: ({ state }) => full.push(state) },
    listener: ({ url }, response) => void (url === '/wait' ? response.flushHeaders() : response.end('served'))
  })
  const calling = await stranger(t, port, { bytes: GET.replace('/', '/wait') })
  await until(() => calling.text() !== '')
  const proven = await stranger(t, port, { bytes: GET })
  await until(() => proven.text().endsWith('served'))
  const silent = await stranger(t, port)
  const next = await stranger(t, port, { bytes: GET.replace('/', '/wait') })
  await silent.closed
  await until(() => next.text() !== '')
  const last = await stranger(t, port, { bytes: GET.replace('/', '/wait') })
  await proven.closed
  await until(() => last.text() !== '')
  await (await stranger(t, port)).closed
  t.strictSame(full, ['head', 'idle', 'head'])
  t.equal(sockets.evicted, 3)
  t.strictSame(sockets.counts(), { handshake: 0, head: 0, request: 3, idle: 0 })
})
