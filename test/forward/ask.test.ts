import { createServer, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { askEngine } from '../../src/forward/ask.ts'
import { Connections } from '../../src/forward/connections.ts'

async function engine(t: Test, listener: RequestListener): Promise<Connections> {
  const server = createServer(listener)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const connections = new Connections({
    pool: 'p',
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    apiKey: 'key',
    ca: null,
    cert: null,
    key: null,
    timeouts: { connectMs: 1_000, firstByteMs: 1_000, idleMs: 1_000, totalMs: 1_000, maxConnectionMs: 300_000 }
  })
  t.teardown(() => {
    connections.close()
    server.closeAllConnections()
    server.close()
  })
  return connections
}

t.test('an answer comes with its status, asked for with the key of the pool, over a connection that stays', async t => {
  const seen: unknown[] = []
  const connections = await engine(t, ({ url, headers }, response) => {
    seen.push([url, headers.authorization])
    response.writeHead(404).end('nothing')
  })
  t.strictSame(await askEngine(connections, '/health'), { status: 404, body: 'nothing' })
  t.strictSame(seen, [['/health', 'Bearer key']])
  t.equal(connections.size, 1)
})

t.test('an answer without end, or none at all, is not kept, and neither is its connection', async t => {
  const endless = await engine(t, (_request, response) => {
    const more = () => {
      while (!response.destroyed && response.write(Buffer.alloc(64 * 1024)));
    }
    response.on('drain', more)
    more()
  })
  await t.rejects(askEngine(endless, '/metrics'), /too long/)
  t.equal(endless.size, 0)
  const cut = await engine(t, request => request.socket.destroy())
  await t.rejects(askEngine(cut, '/health'))
  t.equal(cut.size, 0)
})

t.test('an engine that says nothing, or falls silent, is asked for no longer than its time', async t => {
  for (const begin of [() => {}, (response: ServerResponse) => response.writeHead(200).write('some')]) {
    const silent = await engine(t, (_request, response) => begin(response))
    await t.rejects(askEngine(silent, '/health', 50))
    t.equal(silent.size, 0)
  }
})
