import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { NoReply, ReplyRefusal, talk } from '../../src/store/talk.ts'

/** A socket whose peer answers anything with these bytes, in pieces. */
async function answering(t: Test, pieces: readonly string[], ends = false): Promise<Socket> {
  const server = createServer(peer => {
    peer.once('data', async () => {
      for (const piece of pieces) {
        peer.write(piece)
        await new Promise(resolve => setImmediate(resolve))
      }
      if (ends) peer.end()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const socket = connect((server.address() as { port: number }).port, '127.0.0.1')
  t.teardown(() => {
    socket.destroy()
    server.close()
  })
  await once(socket, 'connect')
  return socket
}

t.test('answers are read in whatever pieces they come', async t => {
  const text = '+OK\r\n-ERR no\r\n:7\r\n$-1\r\n$4\r\na\r\nb\r\n*2\r\n$1\r\nx\r\n*-1\r\n'
  const all = ['OK', new ReplyRefusal('ERR no'), 7, null, 'a\r\nb', ['x', null]]
  for (const pieces of [[text], [...text]]) {
    const socket = await answering(t, pieces)
    const commands = Array.from({ length: all.length }, () => ['PING'])
    t.strictSame(await talk(socket, commands), all)
    t.equal(socket.listenerCount('data'), 0, 'nothing is left of it')
  }
})

t.test('what is no answer is said to be none, with its first byte', async t => {
  for (const text of ['HTTP/1.1 400', '\x15\x03\x03', ':x\r\n', '*z\r\n', '$\r\n']) {
    const err = await talk(await answering(t, [text]), [['PING']]).catch((err: unknown) => err)
    t.ok(err instanceof NoReply, text)
  }
})

t.test('a peer that ends before its answer rejects without an error of its own', async t => {
  const socket = await answering(t, ['+O'], true)
  socket.once('end', () => socket.destroy())
  t.equal(await talk(socket, [['PING']]).catch((err: unknown) => err), null)
})
