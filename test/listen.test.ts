import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import fastify from 'fastify'
import t from 'tap'
import { boundAdmin, listen, listenFault } from '../src/listen.ts'
import { freePort } from './helpers/ports.ts'
import { stranger } from './helpers/strangers.ts'

t.test(
  'a listener on `localhost` is one server, so that whatever bounds its connections bounds all of them',
  async t => {
    const app = fastify()
    t.teardown(() => app.close())
    await listen(app, { host: 'localhost', port: await freePort() }, false)
    t.equal(app.addresses().length, 1)
    const { port } = app.server.address() as AddressInfo
    const [second, error] = [fastify(), t.rejects]
    t.teardown(() => second.close())
    const { address } = app.server.address() as AddressInfo
    await error(async () => await listen(second, { host: address, port }, false), { code: 'EADDRINUSE' })
    const fault = listenFault({ syscall: 'listen', code: 'EADDRINUSE', address, port })
    t.match(fault, /is in use by another program/)
    t.equal(listenFault(new Error('other')), null)
  }
)

t.test('silent connections, as many as there may be, do not keep a probe from the admin listener', async t => {
  const admin = fastify({ forceCloseConnections: true })
  const sockets = boundAdmin(admin)
  t.teardown(() => {
    sockets.close()
    return admin.close()
  })
  admin.get('/livez', () => 'alive')
  await admin.listen({ host: '127.0.0.1', port: 0 })
  const { port } = admin.server.address() as AddressInfo
  const silent = await Promise.all(Array.from({ length: 200 }, () => stranger(t, port)))
  const answer = await fetch(`http://127.0.0.1:${port}/livez`)
  t.equal(await answer.text(), 'alive')
  t.ok(sockets.size <= 64)
  await Promise.all(silent.slice(0, 100).map(({ socket, closed }) => (socket.closed ? closed : once(socket, 'close'))))
})
