import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createServer as createTcp } from 'node:net'
import t, { type Test } from 'tap'
import { createHttp, reasonOf } from '../../src/export/http.ts'
import { makeCertificate } from '../helpers/certificate.ts'
import { freePort } from '../helpers/ports.ts'
import { startReceiver } from '../helpers/receiver.ts'

const POST = { body: Buffer.from('[]'), type: 'application/json' }
const client = (t: Test, url: string, more: object = {}) => {
  const http = createHttp({ url, token: 'secret-1', ca: null, timeoutMs: 5_000, maxBytes: 1_000, ...more })
  t.teardown(http.close)
  return http
}

t.test('a connection is used again, and the token goes with each request', async t => {
  let connections = 0
  const server = createServer((request, response) => response.end(request.headers.authorization))
  server.on('connection', () => connections++)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const http = client(t, `http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  for (let n = 0; n < 3; n++) t.match(await http.ask(POST), { status: 200, body: 'Bearer secret-1' })
  t.equal(connections, 1)
})

t.test('a certificate that nobody vouches for gets nothing, whatever the environment says', async t => {
  const tls = makeCertificate(t)
  const receiver = await startReceiver(t, { tls })
  const before = process.env.NODE_TLS_REJECT_UNAUTHORIZED
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
  t.teardown(() => {
    if (before === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED
    else process.env.NODE_TLS_REJECT_UNAUTHORIZED = before
  })
  await t.rejects(client(t, receiver.url).ask(POST), { message: 'DEPTH_ZERO_SELF_SIGNED_CERT' })
  t.equal(receiver.received.length, 0)
  t.match(await client(t, receiver.url, { ca: tls.cert }).ask(POST), { status: 204 })
})

t.test('a redirect is an answer and not followed; a long answer is cut', async t => {
  const [there, here] = [await startReceiver(t), await startReceiver(t)]
  here.decide = () => ({ status: 307, headers: { location: there.url }, body: 'x'.repeat(5_000) })
  t.match(await client(t, here.url).ask(POST), { status: 307, isCut: true })
  t.equal(there.received.length, 0)
})

t.test('nobody there, somebody who says nothing, who says nonsense, and who leaves', async t => {
  await t.rejects(client(t, `http://127.0.0.1:${await freePort()}`).ask(POST), { message: 'ECONNREFUSED' })
  const receiver = await startReceiver(t)
  receiver.decide = () => 'silence'
  await t.rejects(client(t, receiver.url, { timeoutMs: 100 }).ask(POST), { message: 'no whole answer within 100 ms' })
  receiver.decide = () => 'reset'
  await t.rejects(client(t, receiver.url).ask(POST), { message: 'ECONNRESET' })
  const said = ['nonsense\r\n\r\n', 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf']
  const server = createTcp(socket => socket.once('data', () => socket.end(said.shift() ?? '')).on('error', () => {}))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  await t.rejects(client(t, url).ask(POST), { message: /^HPE_/ })
  await t.rejects(client(t, url).ask(POST), { message: 'ECONNRESET' }, 'half an answer is none')
})

t.test('of several addresses that fail the first says why', async t => {
  t.equal(reasonOf(new AggregateError([Object.assign(new Error('x'), { code: 'ECONNREFUSED' })])), 'ECONNREFUSED')
  t.equal(reasonOf(new Error('words')), 'words')
  t.equal(reasonOf('text'), 'text')
})
