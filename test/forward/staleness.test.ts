import { type AddressInfo, createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { type Connection, Connections } from '../../src/forward/connections.ts'
import { Staleness } from '../../src/forward/staleness.ts'
import { rested } from '../helpers/rested.ts'

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi'

/** A server that does as it is told with each request, and calls to it. */
async function scene(t: Test) {
  let onRequest: (socket: Socket) => void = socket => socket.write(OK)
  const server = createServer(socket => {
    socket.on('error', () => {})
    socket.on('data', () => onRequest(socket))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const connections = new Connections({
    pool: 'p',
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    apiKey: null,
    ca: null,
    cert: null,
    key: null,
    timeouts: { connectMs: 5_000, firstByteMs: 5_000, idleMs: 5_000, totalMs: 5_000, maxConnectionMs: 300_000 }
  })
  t.teardown(() => {
    connections.close()
    server.close()
  })
  /** Resolves with whether what ended the call was staleness; null when nothing did. */
  const call = (connection: Connection) =>
    new Promise<boolean | null>(resolve => {
      let staleness: Staleness | null = null
      connection.client.dispatch(
        { method: 'POST', path: '/', body: 'x' },
        {
          onRequestStart() {
            staleness = new Staleness(connection)
          },
          onResponseStart() {},
          onResponseData() {},
          onResponseEnd() {
            connections.giveBack(connection)
            resolve(null)
          },
          onResponseError(_controller, cause) {
            resolve(staleness?.explains(cause) ?? null)
          }
        }
      )
    })
  return {
    connections,
    call,
    answerWith(next: (socket: Socket) => void) {
      onRequest = next
    },
    used: async () => {
      await call(connections.open())
      await rested(connections)
      return connections.take()
    }
  }
}

t.test('a used connection that is closed or reset in the moment of use had gone stale', async t => {
  const s = await scene(t)
  for (const end of ['destroy', 'resetAndDestroy'] as const) {
    const connection = await s.used()
    s.answerWith(socket => socket[end]())
    t.equal(await s.call(connection), true, end)
    s.answerWith(socket => socket.write(OK))
  }
})

t.test('a new one had not, nor had one that brought a byte of an answer, or was closed later', async t => {
  const s = await scene(t)
  const [brief, late] = [await s.used(), s.connections.open()]
  await s.call(late)
  await rested(s.connections)
  const used = s.connections.take()
  s.answerWith(socket => socket.destroy())
  t.equal(await s.call(s.connections.open()), false, 'new')
  s.answerWith(socket => socket.write('H', () => socket.resetAndDestroy()))
  t.equal(await s.call(brief), false, 'a byte')
  // Time is what is tested: an engine that had begun, and then failed.
  s.answerWith(socket => setTimeout(() => socket.destroy(), 300))
  t.equal(await s.call(used), false, 'later')
})

t.test('one that broke before the call was on it, and was made anew, had not', async t => {
  const s = await scene(t)
  const connection = await s.used()
  connection.socket?.destroy()
  s.answerWith(socket => socket.destroy())
  t.equal(await s.call(connection), false)
})
