import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { GateError } from '../../src/errors.ts'
import { Exchange, type Identity } from '../../src/exchange.ts'
import { Bag, type Placed } from '../../src/forward/bag.ts'
import { Connections } from '../../src/forward/connections.ts'
import { Session } from '../../src/forward/session.ts'
import { callRealtime } from '../helpers/realtime-caller.ts'
import { startRealtimeEngine } from '../helpers/realtime-engine.ts'

/** A session alone, behind a plain HTTP server, with rules that a test can change. */
async function scene(t: Test, options: { totalMs?: number } = {}) {
  const engine = await startRealtimeEngine(t)
  const inFlight = new Bag<Placed & { readonly exchange: Exchange; shutDown(error?: GateError): void }>()
  const exchanges: Exchange[] = []
  const rules = {
    judge: (message: Buffer) => message,
    recheck: () => {},
    eventOf: (error: GateError) => JSON.stringify({ type: 'error', code: error.code }),
    holds: (_bytes: number) => true
  }
  const broken: string[] = []
  const server = createServer()
  server.on('upgrade', (request, socket, head) => {
    const exchange = new Exchange({
      id: 'r-1',
      startedAtMs: 0,
      method: 'GET',
      path: '/v1/realtime',
      upgrade: { socket, head }
    })
    exchange.target = { pool: 'p', engine: 'vllm', origin: engine.origin }
    exchange.identity = { expSec: Date.now() / 1000 + 600 } as Identity
    exchange.call = {
      operation: 'realtime',
      method: 'GET',
      path: '/v1/realtime',
      kind: 'multimodal',
      routeScope: 's',
      routePool: null,
      model: null,
      modelAsked: null,
      isStream: false
    }
    exchanges.push(exchange)
    new Session({
      exchange,
      request,
      response: socket as never,
      connections: new Connections({
        pool: 'p',
        origin: engine.origin,
        apiKey: 'k',
        ca: null,
        cert: null,
        key: null,
        timeouts: {
          connectMs: 1_000,
          firstByteMs: 1_000,
          idleMs: 1_000,
          totalMs: options.totalMs ?? 60_000,
          maxConnectionMs: 300_000
        }
      }),
      inFlight,
      rules,
      maxMessageBytes: 1_024,
      nowMs: Date.now,
      refuse: error => socket.end(`HTTP/1.1 ${error.told.status} No\r\ncontent-length: 0\r\n\r\n`),
      takeOver: () => {},
      onBroken: error => broken.push(error.code)
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    for (const session of inFlight.all()) session.shutDown()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  return { engine, rules, inFlight, exchanges, broken, call: () => callRealtime(t, url, null) }
}

t.test('messages pass both ways, in their order, and are counted', async t => {
  const s = await scene(t)
  const caller = await s.call()
  t.match(await caller.next(), { type: 'session.created' })
  for (let n = 0; n < 50; n++) caller.say({ type: 'x', n })
  await s.engine.when(() => s.engine.heard.length === 50)
  t.strictSame(
    s.engine.heard.map(event => event.n),
    Array.from({ length: 50 }, (_, n) => n)
  )
  caller.socket.close(1000)
  await s.engine.when(() => s.engine.sessions.size === 0)
  t.match(s.exchanges[0], { status: 101, ending: 'answered' })
  t.ok((s.exchanges[0]?.bytesIn ?? 0) > 500)
  t.equal(s.inFlight.size, 0)
})

t.test('a message that the rules refuse reaches nobody; whatever else they throw is a mistake of ours', async t => {
  const s = await scene(t)
  s.rules.judge = () => {
    throw new TypeError('a secret of ours')
  }
  const caller = await s.call()
  await caller.next()
  caller.say({ type: 'x' })
  t.strictSame(await caller.next(), { type: 'error', code: 'TOLLGATE_INTERNAL' })
  t.equal(await caller.closed, 1011)
  t.strictSame(s.engine.heard, [])
  t.strictSame(s.broken, ['TOLLGATE_INTERNAL'])
})

t.test('a token that is not good any more when the session opens ends it at once', async t => {
  const s = await scene(t)
  s.rules.recheck = () => {
    throw new GateError('TOLLGATE_AUTHENTICATE_ENDED')
  }
  const caller = await s.call()
  t.strictSame(await caller.next(), { type: 'error', code: 'TOLLGATE_AUTHENTICATE_ENDED' })
  t.equal(await caller.closed, 1008)
  t.strictSame(s.broken, [], 'which is no failure of the engine')
})

t.test('the whole session has a time, after which it ends with an event', async t => {
  const s = await scene(t, { totalMs: 500 })
  const caller = await s.call()
  await caller.next()
  t.strictSame(await caller.next(), { type: 'error', code: 'TOLLGATE_FORWARD_TOTAL' })
  t.equal(await caller.closed, 1011)
  t.equal(s.exchanges[0]?.ending, 'broken')
})

t.test('a message of the engine that is too long ends the session, not the gate', async t => {
  const s = await scene(t)
  const caller = await s.call()
  await caller.next()
  for (const session of s.engine.sessions) session.send('x'.repeat(2_000))
  t.match(await caller.next(), { type: 'error' })
  t.equal(await caller.closed, 1011)
})

t.test('a message is counted from its first piece until it has gone on, in pieces of one byte, too', async t => {
  const s = await scene(t)
  const held: number[] = []
  let wake = () => {}
  s.rules.holds = bytes => {
    held.push(bytes)
    wake()
    return true
  }
  const until = async (condition: () => boolean) => {
    while (!condition()) {
      await new Promise<void>(resolve => {
        wake = resolve
      })
    }
  }
  const caller = await s.call()
  await caller.next()
  const text = JSON.stringify({ type: 'x', pad: 'y'.repeat(400) })
  for (const byte of text) caller.socket.send(byte, { fin: false })
  await until(() => Math.max(...held) > text.length * 100)
  caller.socket.send('', { fin: true })
  await s.engine.when(() => s.engine.heard.length === 1)
  await until(() => held.at(-1) === 0)
  t.equal(s.engine.heard[0]?.pad, 'y'.repeat(400))
})

t.test(
  'a message for which there is no memory ends its session before it is whole, and says to come again',
  async t => {
    const s = await scene(t)
    s.rules.holds = bytes => bytes < 700
    const caller = await s.call()
    await caller.next()
    caller.socket.send('x'.repeat(900), { fin: false })
    t.strictSame(await caller.next(), { type: 'error', code: 'TOLLGATE_INSPECT_OVERLOADED' })
    t.equal(await caller.closed, 1013)
    t.strictSame(s.engine.heard, [])
  }
)

t.test('a message in thousands of frames is refused', async t => {
  const s = await scene(t)
  const caller = await s.call()
  await caller.next()
  for (let i = 0; i < 5_000; i++) caller.socket.send('', { fin: false })
  t.equal(await caller.closed, 1008)
})
