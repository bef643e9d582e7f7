import { createServer, type Server, type ServerResponse } from 'node:http'
import { createServer as createTls } from 'node:https'
import {
  type AddressInfo,
  connect,
  createServer as createTcpServer,
  type Socket,
  type Server as TcpServer
} from 'node:net'
import t, { type Test } from 'tap'
import type { GateError } from '../../src/errors.ts'
import { Exchange, type Tap } from '../../src/exchange.ts'
import { HEARTBEAT_MS, type TargetOptions } from '../../src/forward/options.ts'
import { createTransport, type Transport } from '../../src/forward/transport.ts'
import { makeCertificate } from '../helpers/certificate.ts'
import { rested } from '../helpers/rested.ts'

const TIMEOUTS = { connectMs: 1_000, firstByteMs: 5_000, idleMs: 5_000, totalMs: 10_000, maxConnectionMs: 300_000 }

async function listen(t: Test, server: Server | TcpServer): Promise<number> {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    if ('closeAllConnections' in server) server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

interface Gate {
  readonly port: number
  readonly transport: Transport
  readonly refusals: GateError[]
  readonly exchanges: Exchange[]
}

/** The transport behind a plain HTTP server: the room alone, over real sockets. */
async function gateBefore(
  t: Test,
  enginePort: number,
  more: Partial<TargetOptions> = {},
  heartbeatMs = HEARTBEAT_MS,
  tap: Tap | null = null
): Promise<Gate> {
  const origin = `http://127.0.0.1:${enginePort}`
  const target = {
    pool: 'p',
    engine: 'vllm',
    origin,
    apiKey: 'pool-key',
    ca: null,
    cert: null,
    key: null,
    timeouts: TIMEOUTS,
    ...more
  }
  const transport = createTransport({ targets: [target], heartbeatMs, maxMessageBytes: 1024 })
  const refusals: GateError[] = []
  const exchanges: Exchange[] = []
  const server = createServer((request, response) => {
    const exchange = new Exchange({ id: 'r-1', startedAtMs: Date.now(), method: 'POST', path: '/x' })
    exchange.target = { pool: 'p', engine: 'vllm', origin: target.origin }
    exchange.call = {
      operation: 'chat',
      method: 'POST',
      path: '/v1/chat/completions',
      kind: 'text',
      routeScope: null,
      routePool: null,
      model: 'm',
      modelAsked: 'm',
      isStream: true
    }
    exchange.tap = tap
    exchange.outgoing = { bytes: Buffer.from('{"model":"m"}'), type: 'application/json' }
    exchanges.push(exchange)
    transport.relay(
      {
        exchange,
        response,
        nowMs: Date.now,
        refuse: error => {
          refusals.push(error)
          response.writeHead(error.told.status).end()
        },
        takeOver: () => {},
        onBroken: () => {},
        farewell: (_exchange, error) => `data: {"error":{"code":"${error.code}"}}\n\n`
      },
      request.headers
    )
  })
  const port = await listen(t, server)
  t.teardown(() => transport.close({ cut: true }))
  return { port, transport, refusals, exchanges }
}

async function engineThat(t: Test, answer: (response: ServerResponse, socket: Socket) => void): Promise<number> {
  return await listen(
    t,
    createServer((request, response) => {
      request.resume()
      request.once('end', () => answer(response, request.socket))
    })
  )
}

const url = (gate: Gate) => `http://127.0.0.1:${gate.port}/`

t.test('a stream passes event by event, each before the next exists', async t => {
  let next: (() => void) | undefined
  const engine = await engineThat(t, response => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write('data: 1\n\n')
    next = () => response.end('data: 2\n\n')
  })
  const gate = await gateBefore(t, engine)
  const answer = await fetch(url(gate), { method: 'POST' })
  t.equal(answer.headers.get('content-type'), 'text/event-stream')
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader()
  t.equal((await reader?.read())?.value, 'data: 1\n\n')
  next?.()
  t.equal((await reader?.read())?.value, 'data: 2\n\n')
  t.equal((await reader?.read())?.done, true)
  t.equal(gate.exchanges[0]?.bytesOut, 18)
})

t.test('a whole answer passes with its length, and the connection serves the next call', async t => {
  const sockets = new Set<Socket>()
  const engine = await engineThat(t, (response, socket) => {
    sockets.add(socket)
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': 8 }).end('{"a":1}\n')
  })
  const gate = await gateBefore(t, engine)
  for (let i = 0; i < 3; i++) {
    const answer = await fetch(url(gate), { method: 'POST' })
    t.equal(answer.headers.get('content-length'), '8')
    t.equal(await answer.text(), '{"a":1}\n')
    await rested(gate.transport)
  }
  t.equal(sockets.size, 1)
})

for (const when of ['before', 'after'] as const) {
  t.test(`P0-2: when the caller leaves ${when} the first byte, the engine's connection is closed`, async t => {
    const { promise: closed, resolve: onClosed } = Promise.withResolvers<number>()
    const { promise: begun, resolve: onBegun } = Promise.withResolvers<void>()
    const engine = await engineThat(t, (response, socket) => {
      socket.once('close', () => onClosed(Date.now()))
      if (when === 'after') {
        response.writeHead(200, { 'content-type': 'text/event-stream' })
        response.write('data: 1\n\n')
      }
      onBegun()
    })
    const gate = await gateBefore(t, engine)
    const caller = connect(gate.port, '127.0.0.1')
    caller.write('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n')
    await begun
    if (when === 'after') await new Promise(resolve => caller.once('data', resolve))
    const leftAt = Date.now()
    caller.destroy()
    const tookMs = (await closed) - leftAt
    t.ok(tookMs < 2_000, `closed after ${tookMs} ms: an idle one would be after five seconds`)
  })
}

t.test('a reader that is slow holds back the engine, and nothing is lost', async t => {
  const total = 64 * 1024 * 1024
  let written = 0
  const engine = await engineThat(t, response => {
    response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': total })
    const piece = Buffer.alloc(64 * 1024, 1)
    const more = () => {
      while (written < total) {
        written += piece.length
        if (!response.write(piece)) {
          response.once('drain', more)
          return
        }
      }
      response.end()
    }
    more()
  })
  const gate = await gateBefore(t, engine)
  const caller = connect(gate.port, '127.0.0.1')
  t.teardown(() => caller.destroy())
  caller.write('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n')
  await new Promise(resolve => caller.once('readable', resolve))
  // The engine stalls once every buffer between is full: wait until it has written nothing for a while.
  let before = -1
  while (before !== written) {
    before = written
    await new Promise(resolve => setTimeout(resolve, 150))
  }
  t.ok(written < total / 2, `${written} of ${total} bytes were taken from the engine`)
  let received = 0
  for await (const chunk of caller) received += (chunk as Buffer).length
  t.ok(received > total)
})

t.test('an engine that cannot be reached is a 503', async t => {
  const gone = createTcpServer()
  await new Promise<void>(resolve => gone.listen(0, '127.0.0.1', resolve))
  const { port } = gone.address() as AddressInfo
  await new Promise(resolve => gone.close(resolve))
  const gate = await gateBefore(t, port)
  t.equal((await fetch(url(gate), { method: 'POST' })).status, 503)
  t.equal(gate.refusals[0]?.code, 'TOLLGATE_FORWARD_UNREACHABLE')
})

t.test('an engine that resets before its answer is a 502, one that talks nonsense too', async t => {
  const reset = await gateBefore(t, await engineThat(t, (_response, socket) => socket.resetAndDestroy()))
  t.equal((await fetch(url(reset), { method: 'POST' })).status, 502)
  t.equal(reset.refusals[0]?.code, 'TOLLGATE_FORWARD_RESET')
  const garbage = await gateBefore(t, await engineThat(t, (_response, socket) => socket.end('SMTP ready\r\n\r\n')))
  t.equal((await fetch(url(garbage), { method: 'POST' })).status, 502)
  t.equal(garbage.refusals[0]?.code, 'TOLLGATE_FORWARD_ANSWER')
})

t.test('a redirect and an encoded answer are not passed on, and a refusal of the pool key is ours to mend', async t => {
  const answers = [
    [307, { location: 'http://10.0.0.1/' }, 'TOLLGATE_FORWARD_ANSWER'],
    [200, { 'content-encoding': 'gzip' }, 'TOLLGATE_FORWARD_ANSWER'],
    [401, {}, 'TOLLGATE_FORWARD_KEY'],
    [403, {}, 'TOLLGATE_FORWARD_KEY']
  ] as const
  for (const [status, headers, code] of answers) {
    const gate = await gateBefore(t, await engineThat(t, response => response.writeHead(status, headers).end('x')))
    const answer = await fetch(url(gate), { method: 'POST', redirect: 'manual' })
    t.equal(answer.status, 502)
    t.equal(answer.headers.get('location'), null)
    t.equal(gate.refusals[0]?.code, code)
  }
})

t.test('P0-4: an answer 503 is a 503 after one attempt', async t => {
  let hits = 0
  const engine = await engineThat(t, response => {
    hits++
    response.writeHead(503, { 'retry-after': '1' }).end('{}')
  })
  const gate = await gateBefore(t, engine)
  t.equal((await fetch(url(gate), { method: 'POST' })).status, 503)
  t.equal(hits, 1)
})

t.test("an engine's error is read and said in our words; its connection is used again", async t => {
  let connections = 0
  const port = await listen(
    t,
    createServer((request, response) => {
      request.resume().once('end', () => {
        response.writeHead(400, { 'content-type': 'application/json' })
        response.write('{"object":"error","message":"max_tokens must')
        response.end(' be positive","code":400}')
      })
    }).on('connection', () => connections++)
  )
  const gate = await gateBefore(t, port)
  for (let i = 0; i < 3; i++) {
    t.equal((await fetch(url(gate), { method: 'POST' })).status, 400)
    await rested(gate.transport)
  }
  t.equal(connections, 1)
  t.match(gate.refusals[0], { code: 'TOLLGATE_FORWARD_REJECTED', told: { message: 'max_tokens must be positive' } })
})

t.test('an error that does not end, or is too long, is not waited for', async t => {
  const endless = await gateBefore(
    t,
    await engineThat(t, response => {
      response.writeHead(400)
      const piece = Buffer.alloc(32 * 1024, 'x')
      const more = () => {
        while (!response.destroyed && response.write(piece));
      }
      response.on('drain', more)
      more()
    })
  )
  t.equal((await fetch(url(endless), { method: 'POST' })).status, 400)
  const silent = await gateBefore(t, await engineThat(t, response => response.writeHead(422).write('{')), {
    timeouts: { ...TIMEOUTS, idleMs: 50 }
  })
  t.equal((await fetch(url(silent), { method: 'POST' })).status, 504)
})

t.test('a stream that is silent gets comments between its events, never inside of one', async t => {
  const { promise: beaten, resolve: onBeaten } = Promise.withResolvers<ServerResponse>()
  const engine = await engineThat(t, response => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write('data: 1\n\n')
    onBeaten(response)
  })
  const gate = await gateBefore(t, engine, {}, 20)
  const answer = await fetch(url(gate), { method: 'POST' })
  const response = await beaten
  const reader = (answer.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  const until = async (wanted: RegExp) => {
    while (!wanted.test(text)) text += (await reader.read()).value ?? ''
  }
  await until(/^data: 1\n\n(: keep-alive\n\n){2}/)
  response.write('data: hal')
  await until(/data: hal$/)
  // Long enough for comments to come where none may.
  await new Promise(resolve => setTimeout(resolve, 80))
  response.end('f\n\n')
  await until(/half\n\n/)
  t.match(text, /^data: 1\n\n(: keep-alive\n\n)+data: half\n\n/)
})

/** Keeps back what is no whole event, and lets no event with an x through. */
function strictTap(): Tap {
  let held = ''
  return {
    head() {},
    chunk(piece) {
      const events = (held + piece.toString()).split(/(?<=\n\n)/)
      held = events.at(-1)?.endsWith('\n\n') ? '' : (events.pop() ?? '')
      const passed = events.filter(event => !event.includes('x')).join('')
      return passed === '' ? null : Buffer.from(passed)
    },
    end: () => (held === '' ? null : Buffer.from(held)),
    usage: () => {
      throw new Error('not asked here')
    },
    contentBytes: null,
    bareEvents: 0,
    unread: 0
  }
}

t.test('what a tap gives back is what the caller gets, and no length of the engine is promised for it', async t => {
  const stream = 'data: 1\n\ndata: x\n\ndata: 2\n\n: rest'
  const engine = await engineThat(t, response => {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'content-length': stream.length }).end(stream)
  })
  const gate = await gateBefore(t, engine, {}, HEARTBEAT_MS, strictTap())
  const answer = await fetch(url(gate), { method: 'POST' })
  t.equal(answer.headers.get('content-length'), null)
  t.equal(await answer.text(), 'data: 1\n\ndata: 2\n\n: rest')
  t.equal(gate.exchanges[0]?.bytesOut, 'data: 1\n\ndata: 2\n\n: rest'.length)
})

t.test('while a tap holds back half an event, comments go out, and a break is told in the stream', async t => {
  const { promise: begun, resolve: onBegun } = Promise.withResolvers<Socket>()
  const engine = await engineThat(t, (response, socket) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write('data: 1\n\ndata: hal', () => onBegun(socket))
  })
  const gate = await gateBefore(t, engine, {}, 20, strictTap())
  const answer = await fetch(url(gate), { method: 'POST' })
  const reader = (answer.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  while (!/keep-alive\n\n$/.test(text)) text += (await reader.read()).value ?? ''
  const socket = await begun
  socket.resetAndDestroy()
  for (let piece = await reader.read(); !piece.done; piece = await reader.read()) text += piece.value
  t.match(text, /^data: 1\n\n(: keep-alive\n\n)+data: \{"error":\{"code":"TOLLGATE_FORWARD_BROKEN"\}\}\n\n$/)
})

t.test('an engine that says nothing in time is a 504, and its connection is closed', async t => {
  const { promise: closed, resolve: onClosed } = Promise.withResolvers<void>()
  const engine = await engineThat(t, (_response, socket) => socket.once('close', () => onClosed()))
  const gate = await gateBefore(t, engine, { timeouts: { ...TIMEOUTS, firstByteMs: 80 } })
  t.equal((await fetch(url(gate), { method: 'POST' })).status, 504)
  t.equal(gate.refusals[0]?.code, 'TOLLGATE_FORWARD_FIRST_BYTE')
  await closed
})

t.test('a stream that falls silent, runs too long or breaks between events ends with an error event', async t => {
  const cases = [
    [{ ...TIMEOUTS, idleMs: 300 }, 'TOLLGATE_FORWARD_IDLE', () => {}],
    [{ ...TIMEOUTS, totalMs: 500, maxConnectionMs: 300_000 }, 'TOLLGATE_FORWARD_TOTAL', () => {}],
    [TIMEOUTS, 'TOLLGATE_FORWARD_BROKEN', (socket: Socket) => setImmediate(() => socket.resetAndDestroy())]
  ] as const
  for (const [timeouts, code, then] of cases) {
    const engine = await engineThat(t, (response, socket) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write('data: 1\n\n', () => then(socket))
    })
    const gate = await gateBefore(t, engine, { timeouts })
    const text = await (await fetch(url(gate), { method: 'POST' })).text()
    t.equal(text, `data: 1\n\ndata: {"error":{"code":"${code}"}}\n\n`)
    t.equal(gate.exchanges[0]?.ending, 'broken')
  }
})

t.test('an answer that breaks off in the middle of an event, or short of its length, never looks whole', async t => {
  const beginnings = [
    [{ 'content-type': 'text/event-stream' }, 'data: {"cho'],
    [{ 'content-type': 'application/json', 'content-length': 100 }, '{"half":']
  ] as const
  for (const [headers, piece] of beginnings) {
    const engine = await engineThat(t, (response, socket) => {
      response.writeHead(200, headers)
      response.write(piece, () => setImmediate(() => socket.resetAndDestroy()))
    })
    const gate = await gateBefore(t, engine)
    await t.rejects(fetch(url(gate), { method: 'POST' }).then(answer => answer.text()))
    t.equal(gate.exchanges[0]?.ending, 'broken')
  }
})

t.test('P0-1: an engine whose certificate nobody vouches for is not spoken to', async t => {
  const { cert, key } = makeCertificate(t)
  let hits = 0
  const port = await listen(
    t,
    createTls({ key, cert }, (_request, response) => {
      hits++
      response.end('{}')
    })
  )
  const origin = `https://127.0.0.1:${port}`
  const distrustful = await gateBefore(t, port, { origin })
  t.equal((await fetch(url(distrustful), { method: 'POST' })).status, 502)
  t.equal(distrustful.refusals[0]?.code, 'TOLLGATE_FORWARD_TLS')
  t.equal(hits, 0)
  const trusting = await gateBefore(t, port, { origin, ca: cert })
  t.equal((await fetch(url(trusting), { method: 'POST' })).status, 200)
})

t.test('calls in flight are counted, and closing with cut ends them with a farewell', async t => {
  const engine = await engineThat(t, response => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write('data: 1\n\n')
  })
  const gate = await gateBefore(t, engine)
  const answer = await fetch(url(gate), { method: 'POST' })
  t.equal(gate.transport.inFlight, 1)
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader()
  await reader?.read()
  gate.transport.close({ cut: true })
  t.match((await reader?.read())?.value, /TOLLGATE_FORWARD_SHUTDOWN/)
  t.equal((await reader?.read())?.done, true)
  t.equal(gate.transport.inFlight, 0)
})

t.test('two hundred streams at once each have a connection: none waits for another', async t => {
  const waiting: ServerResponse[] = []
  const { promise: all, resolve } = Promise.withResolvers<void>()
  const engine = await engineThat(t, response => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write('data: 1\n\n')
    if (waiting.push(response) === 200) resolve()
  })
  const gate = await gateBefore(t, engine)
  const answers = await Promise.all(Array.from({ length: 200 }, () => fetch(url(gate), { method: 'POST' })))
  await all
  for (const response of waiting) response.end()
  await Promise.all(answers.map(answer => answer.text()))
  t.equal(gate.transport.inFlight, 0)
})

t.test("the names of an engine's models are read with the pool's key; anything but a list is an error", async t => {
  let key: string | undefined
  let body = '{"data":[{"id":"a"},{"id":"b"},{"no":1}]}'
  const port = await listen(
    t,
    createServer((request, response) => {
      key = request.headers.authorization
      response.end(body)
    })
  )
  const { transport } = await gateBefore(t, port)
  t.strictSame(await transport.fetchModels(`http://127.0.0.1:${port}`), ['a', 'b'])
  t.equal(key, 'Bearer pool-key')
  body = '{"models":[]}'
  await t.rejects(transport.fetchModels(`http://127.0.0.1:${port}`))
  await t.rejects(transport.fetchModels('http://127.0.0.1:1'))
})
