import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { acceptSocket, answerPing, bufferOf, CLOSE, part, pass } from '../../src/forward/websocket.ts'

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

t.test('who pings and does not read is answered no further than fits, and again when they read', async t => {
  const { ours, theirs } = await pair(t)
  let pings = 0
  let most = 0
  const all = new Promise<void>(resolve => {
    ours.on('ping', data => {
      answerPing(ours, data)
      most = Math.max(most, ours.bufferedAmount)
      if (++pings === 100_000) resolve()
    })
  })
  theirs.pause()
  for (let i = 0; i < 100_000; i++) theirs.ping(Buffer.alloc(120))
  await all
  t.ok(most < 512 * 1024, `${most} bytes wait`)
  theirs.resume()
  const last = new Promise(resolve => theirs.on('pong', data => String(data) === 'last' && resolve(null)))
  while (ours.bufferedAmount > 0) await new Promise(resolve => setImmediate(resolve))
  theirs.ping('last')
  await last
})

t.test('who does not read the answers to what they say is not read either', async t => {
  const { ours, theirs } = await pair(t)
  let said = 0
  const paused = new Promise<void>(resolve => {
    ours.on('message', () => {
      pass('x'.repeat(8_192), false, ours, ours)
      said++
      if (ours.isPaused) resolve()
    })
  })
  let got = 0
  theirs.on('message', () => got++)
  theirs.pause()
  const feed = setInterval(() => theirs.send('y'), 1)
  const feedMore = setInterval(() => theirs.send('y'.repeat(60_000)), 1)
  await paused
  clearInterval(feed)
  clearInterval(feedMore)
  t.ok(ours.bufferedAmount < 1024 * 1024, 'little is kept')
  theirs.resume()
  while (got < said || ours.isPaused) await new Promise(resolve => theirs.once('message', resolve))
  t.ok(got > 0)
})
