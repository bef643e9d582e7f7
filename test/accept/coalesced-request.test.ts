import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import {
  coalescedRequests,
  FREE_CHUNKS,
  MIN_AVERAGE_BYTES,
  TOO_MANY_CHUNKS
} from '../../src/accept/coalesced-request.ts'
import { openRaw } from '../helpers/raw.ts'

/** A server with such requests. @returns its port, and its requests as they come */
async function serve(t: Test) {
  const server = createServer({ IncomingMessage: coalescedRequests() })
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const next = async (): Promise<IncomingMessage> => {
    const [request, response] = await once(server, 'request')
    request.once('end', () => response.end('whole'))
    return request
  }
  return { port, next }
}

const HEAD = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n'
const inChunks = (text: string, size: number) =>
  (text.match(new RegExp(`.{1,${size}}`, 'gs')) ?? [])
    .map(chunk => `${chunk.length.toString(16)}\r\n${chunk}\r\n`)
    .join('')
const digits = (count: number) => Array.from({ length: count }, (_, i) => String(i % 10)).join('')

async function piecesOf(request: IncomingMessage): Promise<Buffer[]> {
  const pieces: Buffer[] = []
  request.on('data', piece => pieces.push(piece))
  await once(request, 'end')
  return pieces
}

t.test('a body of one-byte chunks comes whole, in a few pieces', async t => {
  const { port, next } = await serve(t)
  const socket = await openRaw(port)
  const text = digits(16_000)
  const coming = next()
  socket.write(`${HEAD}${inChunks(text, 1)}0\r\n\r\n`)
  const pieces = await piecesOf(await coming)
  t.equal(Buffer.concat(pieces).toString(), text)
  t.ok(pieces.length < 100, `${pieces.length} pieces`)
})

t.test('a body that nobody reads yet waits in a few pieces, too, and then comes whole', async t => {
  const { port, next } = await serve(t)
  const socket = await openRaw(port)
  const text = digits(9_000)
  const coming = next()
  socket.write(`${HEAD}${inChunks(text, 1)}0\r\n\r\n`)
  const request = await coming
  // Another request is served while this one waits for its reader.
  const other = await openRaw(port)
  const second = next()
  other.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  ;(await second).resume()
  await once(other, 'data')
  const pieces = await piecesOf(request)
  t.equal(Buffer.concat(pieces).toString(), text)
  t.ok(pieces.length < 20, `${pieces.length} pieces`)
})

t.test('chunks that come one by one, and some that are long, keep their order', async t => {
  const { port, next } = await serve(t)
  const socket = await openRaw(port)
  socket.setNoDelay(true)
  const coming = next()
  socket.write(HEAD)
  const request = await coming
  let seen = 0
  const pieces: Buffer[] = []
  request.on('data', piece => {
    pieces.push(piece)
    seen += piece.length
  })
  let sent = ''
  for (const part of ['a', 'bc', 'd'.repeat(5_000), 'e', 'f'.repeat(1_023), 'g'.repeat(1_024), 'h']) {
    socket.write(inChunks(part, 70_000))
    sent += part
    while (seen < sent.length) await once(request, 'data')
  }
  socket.write('0\r\n\r\n')
  await once(request, 'end')
  t.equal(Buffer.concat(pieces).toString(), sent)
})

t.test('a body that goes on in one-byte chunks is refused; one of longer chunks is not', async t => {
  const { port, next } = await serve(t)
  const count = FREE_CHUNKS + FREE_CHUNKS / 4
  const fine = await openRaw(port)
  const first = next()
  fine.write(HEAD)
  const request = await first
  request.resume()
  fine.write(inChunks('x'.repeat(count), 1))
  await once(request, TOO_MANY_CHUNKS)
  fine.destroy()
  const longer = await openRaw(port)
  const second = next()
  longer.write(HEAD)
  const other = await second
  const pieces = piecesOf(other)
  longer.write(`${inChunks('y'.repeat(count * MIN_AVERAGE_BYTES), MIN_AVERAGE_BYTES)}0\r\n\r\n`)
  t.equal(Buffer.concat(await pieces).length, count * MIN_AVERAGE_BYTES)
})
