import { once } from 'node:events'
import { createServer } from 'node:http'
import { createServer as createTls } from 'node:https'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import t from 'tap'
import { stopReading } from '../../src/accept/stop-reading.ts'
import { makeCertificate } from '../helpers/certificate.ts'

const turn = () => new Promise<void>(resolve => setImmediate(resolve))

for (const isTls of [false, true]) {
  t.test(
    `a connection that was to be read again a tick later is not read${isTls ? ', over TLS, too' : ''}`,
    async t => {
      const server = isTls ? createTls(makeCertificate(t)) : createServer()
      let [requests, isStopped] = [0, true]
      server.on('request', (_request, response) => {
        requests++
        response.end()
      })
      const accepted = new Promise<Socket>(resolve => {
        server.on(isTls ? 'secureConnection' : 'connection', (socket: Socket) => {
          socket.on('resume', () => {
            if (isStopped) stopReading(socket)
          })
          socket.resume()
          stopReading(socket)
          resolve(socket)
        })
      })
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      const { port } = server.address() as AddressInfo
      const to = { host: '127.0.0.1', port }
      const client = isTls ? connectTls({ ...to, rejectUnauthorized: false }) : connect(to)
      client.on('error', () => {})
      t.teardown(() => {
        client.destroy()
        server.closeAllConnections()
        server.close()
      })
      const socket = await accepted
      const written = new Promise(resolve => client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n', resolve))
      await written
      for (let n = 0; n < 50; n++) await turn()
      t.equal(requests, 0)
      isStopped = false
      socket.resume()
      await once(client, 'data')
      t.equal(requests, 1)
    }
  )
}
