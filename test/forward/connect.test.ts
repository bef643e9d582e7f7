import { createServer, type Socket } from 'node:net'
import { createServer as createTlsServer, type TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import { type ConnectInit, connectSocket } from '../../src/forward/connect.ts'
import { makeCertificate } from '../helpers/certificate.ts'
import { freePort } from '../helpers/ports.ts'

/** Connects; resolves with what came of it. `failed` grows. */
async function reach(
  t: Test,
  { addresses, port, ...init }: Partial<Omit<ConnectInit, 'addresses'>> & { addresses: readonly string[]; port: number }
) {
  const failed: number[] = []
  const onFailed = (place: number) => void failed.push(place)
  return await new Promise<{ error: Error | null; place: number; failed: readonly number[]; socket: Socket | null }>(
    resolve =>
      connectSocket(
        { addresses: addresses.map(address => ({ address, port })), tls: null, timeoutMs: 2_000, onFailed, ...init },
        (error, socket, place) => {
          t.teardown(() => socket?.destroy())
          resolve({ error, socket, place, failed })
        }
      )
  )
}

async function listenAt(t: Test, address: string, port: number) {
  const server = createServer(socket => t.teardown(() => socket.destroy()))
  await new Promise<void>(resolve => server.listen(port, address, resolve))
  t.teardown(() => server.close())
}

t.test('the first address that answers is used, and those that were worse are named', async t => {
  const port = await freePort()
  await listenAt(t, '127.0.0.2', port)
  t.match(await reach(t, { addresses: ['127.0.0.1', '127.0.0.2', '127.0.0.3'], port }), {
    error: null,
    place: 1,
    failed: [0]
  })
  t.match(await reach(t, { addresses: ['127.0.0.2', '127.0.0.1'], port }), { error: null, place: 0, failed: [] })
})

t.test('an address that says nothing is not waited for: the next one is tried beside it', async t => {
  const port = await freePort()
  await listenAt(t, '127.0.0.2', port)
  const sinceMs = performance.now()
  // TEST-NET-1 (RFC 5737), where nobody is; or no way there at all.
  t.match(await reach(t, { addresses: ['192.0.2.1', '127.0.0.2'], port }), { error: null, place: 1 })
  t.ok(performance.now() - sinceMs < 1_500)
})

t.test('a family that this machine has no way to is no obstacle, and another error says more than it', async t => {
  const port = await freePort()
  t.match((await reach(t, { addresses: ['2001:db8::1', '127.0.0.1'], port })).error, { code: 'ECONNREFUSED' })
  await listenAt(t, '127.0.0.1', port)
  t.match(await reach(t, { addresses: ['2001:db8::1', '127.0.0.1'], port }), { error: null, place: 1 })
})

t.test('nothing takes longer than it may: no connection, and no handshake either', async t => {
  const port = await freePort()
  await listenAt(t, '127.0.0.1', port)
  const tls = { host: 'gpu.example', options: {}, session: undefined, onSession: () => {} }
  const { error, place } = await reach(t, { addresses: ['127.0.0.1'], port, tls, timeoutMs: 300 })
  t.match([error, place], [{ code: 'ETIMEDOUT' }, -1])
})

t.test('the certificate is that of the name, whatever the address', async t => {
  const { cert, key } = makeCertificate(t, 'DNS:gpu.example')
  const port = await freePort()
  const server = createTlsServer({ cert, key }, socket => socket.on('error', () => {}).resume())
  server.on('tlsClientError', () => {})
  await new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const { promise: session, resolve: onSession } = Promise.withResolvers<Buffer>()
  const tls = { host: 'gpu.example', options: { ca: cert }, session: undefined, onSession }
  t.match(await reach(t, { addresses: ['127.0.0.1'], port, tls }), { error: null, place: 0 })
  const resumed = await reach(t, { addresses: ['127.0.0.1'], port, tls: { ...tls, session: await session } })
  t.equal((resumed.socket as TLSSocket).isSessionReused(), true)
  const other = await reach(t, { addresses: ['127.0.0.1'], port, tls: { ...tls, host: 'gpu2.example' } })
  t.match([other.error, other.failed], [{ code: 'ERR_TLS_CERT_ALTNAME_INVALID' }, [0]])
})
