import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import t, { type Test } from 'tap'
import type { WebSocket } from 'ws'
import type { GateError } from '../../src/errors.ts'
import { Connections } from '../../src/forward/connections.ts'
import { dial } from '../../src/forward/dial.ts'
import { makeCertificate } from '../helpers/certificate.ts'
import { type RealtimeEngine, startRealtimeEngine } from '../helpers/realtime-engine.ts'

/** Dials; resolves with the open socket, or with why there is none. */
async function reach(t: Test, engine: Pick<RealtimeEngine, 'origin'>, ca: string | null = null) {
  const { promise, resolve } = Promise.withResolvers<WebSocket | GateError>()
  const timeouts = { connectMs: 1_000, firstByteMs: 1_000, idleMs: 1_000, totalMs: 1_000, maxConnectionMs: 300_000 }
  const target = { pool: 'p', origin: engine.origin, apiKey: null, ca, cert: null, key: null, timeouts }
  const socket = dial({
    connections: new Connections(target),
    engine: 'vllm',
    path: '/v1/realtime',
    headers: ['x-request-id', 'r-1'],
    maxMessageBytes: 1_024,
    onOpen: () => resolve(socket),
    onRefused: resolve
  })
  t.teardown(() => socket.terminate())
  return await promise
}

t.test('a WebSocket is opened with our headers and no extension', async t => {
  const engine = await startRealtimeEngine(t)
  t.equal(((await reach(t, engine)) as WebSocket).readyState, 1)
  const { headers } = engine.handshakes[0] ?? {}
  t.equal(headers?.['x-request-id'], 'r-1')
  t.equal(headers?.['sec-websocket-extensions'], undefined)
})

t.test('each way to have none has its code', async t => {
  const engine = await startRealtimeEngine(t)
  for (const [how, code] of [
    [{ status: 401 }, 'TOLLGATE_FORWARD_KEY'],
    [{ status: 307 }, 'TOLLGATE_FORWARD_ANSWER'],
    [{ status: 200 }, 'TOLLGATE_FORWARD_ANSWER'],
    [{ status: 500 }, 'TOLLGATE_FORWARD_FAILED'],
    ['hang', 'TOLLGATE_FORWARD_CONNECT'],
    ['reset', 'TOLLGATE_FORWARD_UNREACHABLE']
  ] as const) {
    engine.refuse(how)
    t.equal(((await reach(t, engine)) as GateError).code, code)
  }
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  t.equal(((await reach(t, { origin: `http://127.0.0.1:${port}` })) as GateError).code, 'TOLLGATE_FORWARD_UNREACHABLE')
})

t.test('a certificate is trusted when its authority is, and not otherwise', async t => {
  const tls = makeCertificate(t)
  const engine = await startRealtimeEngine(t, { tls })
  t.equal(((await reach(t, engine)) as GateError).code, 'TOLLGATE_FORWARD_TLS')
  t.equal(((await reach(t, engine, tls.cert)) as WebSocket).readyState, 1)
})
