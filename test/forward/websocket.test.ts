import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { acceptSocket, bufferOf, CLOSE, part, pass } from '../../src/forward/websocket.ts'

/** A server that accepts every WebSocket; resolves with both ends of one. */
async function pair(t: Test, options: { protocol?: string } = {}) {
  const { promise, resolve } = Promise.withResolvers<WebSocket>()
  const server = createServer()
  server.on('upgrade', (request, socket, head) => {
    acceptSocket({
      request,
      upgrade: { socket, head },
      maxMessageBytes: 8 * 1024 * 1024,
      headers: ['x-request-id: r-1'],
      onOpen: resolve
    })
  })
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  const theirs = new WebSocket(`ws://127.0.0.1:${port}`, options.protocol === undefined ? [] : [options.protocol])
  const answer = new Promise<string | undefined>(done =>
    theirs.once('upgrade', response => done(String(response.headers['x-request-id'])))
  )
  t.teardown(() => {
    theirs.terminate()
    server.close()
  })
  const ours = await promise
  t.teardown(() => ours.terminate())
  await new Promise(done => (theirs.readyState === theirs.OPEN ? done(null) : theirs.once('open', done)))
  return { ours, theirs, requestId: await answer }
}

t.test('an accepted WebSocket has our headers, no extension, and the one subprotocol that we know', async t => {
  const { theirs, requestId } = await pair(t, { protocol: 'realtime' })
  t.equal(requestId, 'r-1')
  t.equal(theirs.extensions, '')
  t.equal(theirs.protocol, 'realtime')
})

t.test('a goodbye that nobody answers ends the connection all the same', async t => {
  const { ours, theirs } = await pair(t)
  theirs.pause()
  const closed = new Promise(resolve => ours.once('close', resolve))
  part(ours, CLOSE.NORMAL)
  t.equal(await closed, CLOSE.ABNORMAL)
})

t.test('a side that does not read stops the other from being read, until it reads again; nothing is lost', async t => {
  const a = await pair(t)
  const b = await pair(t)
  const piece = Buffer.alloc(64 * 1024, 'x')
  let got = 0
  b.theirs.on('message', data => {
    got += bufferOf(data).length
  })
  b.theirs.pause()
  let sent = 0
  const held = new Promise<void>(resolve => {
    a.ours.on('message', (data, isBinary) => {
      pass(bufferOf(data), isBinary, a.ours, b.ours)
      if (a.ours.isPaused) resolve()
    })
  })
  const feed = setInterval(() => {
    a.theirs.send(piece)
    sent += piece.length
  }, 1)
  await held
  clearInterval(feed)
  t.ok(b.ours.bufferedAmount < 1024 * 1024, 'little is kept')
  b.theirs.resume()
  while (got < sent) await new Promise(resolve => b.theirs.once('message', resolve))
  t.equal(got, sent)
  t.notOk(a.ours.isPaused)
})

t.test('messages come as one buffer, whatever the library gives', async t => {
  t.equal(String(bufferOf([Buffer.from('a'), Buffer.from('b')])), 'ab')
  t.equal(String(bufferOf(new Uint8Array([97]).buffer)), 'a')
})
