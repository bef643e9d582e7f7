import { createServer, type RequestListener } from 'node:http'
import { createServer as createTls } from 'node:https'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { Connections } from '../../src/forward/connections.ts'
import { foreignSign } from '../../src/forward/foreign.ts'
import { makeCertificate } from '../helpers/certificate.ts'
import { rawAnswer, startRawEngine } from '../helpers/raw-engine.ts'
import { rested } from '../helpers/rested.ts'

/** More than the kernel keeps for an engine that does not read. */
const LONG = Buffer.alloc(16 * 1024 * 1024, 'x')

function connectionsTo(t: Test, origin: string, ca: string | null = null) {
  const connections = new Connections({
    pool: 'p',
    origin,
    apiKey: null,
    ca,
    cert: null,
    key: null,
    timeouts: { connectMs: 5_000, firstByteMs: 5_000, idleMs: 5_000, totalMs: 5_000, maxConnectionMs: 300_000 }
  })
  t.teardown(() => connections.close())
  /** Resolves with what is foreign in the answer. */
  const call = (id: string, body: Buffer | string = 'x') => {
    const connection = connections.take()
    return new Promise<string | null>((resolve, reject) => {
      let sign: string | null = null
      connection.client.dispatch(
        { method: 'POST', path: '/', body },
        {
          onRequestStart() {},
          onResponseStart(_controller, status, headers) {
            sign = foreignSign(status, headers, connection)
          },
          onResponseData() {},
          onResponseEnd() {
            connections.giveBack(connection, id)
            resolve(sign)
          },
          onResponseError: (_controller, cause) => reject(cause)
        }
      )
    })
  }
  return { connections, call }
}

t.test('an engine that takes a call before it was sent cannot mean it; one that refuses it may', async t => {
  for (const [status, sign] of [
    ['200 OK', 'before the request was sent'],
    ['413 Too Large', null]
  ] as const) {
    const engine = await startRawEngine(t)
    const { connections, call } = connectionsTo(t, engine.origin)
    const head = engine.nextHead()
    const answered = call('a', LONG)
    ;(await head).write(rawAnswer('{}', status))
    t.equal(await answered, sign)
    t.equal(connections.size, 0, 'what it has not read would be read as the next request')
  }
})

t.test('an answer that names the request before is foreign, and one that names its own or none is not', async t => {
  const engine = await startRawEngine(t)
  const { connections, call } = connectionsTo(t, engine.origin)
  for (const [id, said, sign] of [
    ['a', 'a', null],
    ['b', 'a', 'the request before'],
    ['c', 'c', null],
    ['d', null, null]
  ] as const) {
    const answered = call(id)
    const { connection, socket } = await engine.next()
    t.equal(connection, 1)
    socket.write(rawAnswer('{}', '200 OK', said === null ? '' : `x-request-id: ${said}\r\n`))
    t.equal(await answered, sign)
    await rested(connections)
  }
})

t.test('an engine that reads a long request and answers at once is never early, with TLS or without', async t => {
  const { cert, key } = makeCertificate(t)
  const answer: RequestListener = (request, response) => {
    request.resume().once('end', () => response.end('{}'))
  }
  for (const server of [createServer(answer), createTls({ key, cert }, answer)]) {
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    t.teardown(() => {
      server.closeAllConnections()
      server.close()
    })
    const { port } = server.address() as AddressInfo
    const isTls = 'addContext' in server
    const { connections, call } = connectionsTo(t, `http${isTls ? 's' : ''}://127.0.0.1:${port}`, isTls ? cert : null)
    for (let round = 0; round < 5; round++) {
      t.equal(await call(`${round}`, LONG), null)
      await rested(connections)
    }
    t.equal(connections.size, 1)
  }
})
