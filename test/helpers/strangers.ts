import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { Test } from 'tap'

/** A connection that sends what it likes. */
export interface Stranger {
  readonly socket: Socket
  /** Everything that came back so far. */
  text(): string
  /** Resolves when the other side has ended it. */
  readonly closed: Promise<void>
}

/** Connects from an address of this machine; the connection ends with the test. */
export async function stranger(
  t: Pick<Test, 'teardown'>,
  port: number,
  { bytes = '', localAddress = '127.0.0.1' }: { bytes?: string | Buffer; localAddress?: string } = {}
): Promise<Stranger> {
  const socket = connect({ host: '127.0.0.1', port, localAddress })
  t.teardown(() => socket.destroy())
  let text = ''
  socket.on('error', () => {})
  socket.on('data', piece => {
    text += piece.toString('latin1')
  })
  const closed = new Promise<void>(resolve => socket.once('close', () => resolve()))
  await Promise.race([once(socket, 'connect'), closed])
  if (bytes.length > 0) socket.write(bytes)
  return { socket, text: () => text, closed }
}

/** Goes on writing one byte after the other until the connection ends. */
export function drip({ socket }: Stranger, byte: string, everyMs: number): void {
  const clock = setInterval(() => socket.write(byte), everyMs)
  socket.once('close', () => clearInterval(clock))
}

/** The first bytes of a TLS client. */
export async function clientHello(): Promise<Buffer> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = connectTls({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' })
  client.on('error', () => {})
  const [socket] = (await once(server, 'connection')) as [Socket]
  const [bytes] = (await once(socket, 'data')) as [Buffer]
  for (const one of [client, socket]) one.destroy()
  server.close()
  return bytes
}
