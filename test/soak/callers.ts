import { connect, type Socket } from 'node:net'

/** Where calls go, and with what. */
export interface Gate {
  readonly port: number
  readonly token: string
}

const DONE = Buffer.from('data: [DONE]\n\n')

/** The bytes of a call. */
function bytesOf(token: string, body: string | Buffer): Buffer {
  const head = `POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n`
  return Buffer.concat([Buffer.from(head), Buffer.from(body)])
}

const chatOf = (isStream: boolean, content: unknown = 'x') =>
  JSON.stringify({ model: 'm', stream: isStream, messages: [{ role: 'user', content }] })

function open(port: number): Socket {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  return socket
}

/** Keeps one stream open, each followed by another on a connection of its own, until it is told to stop. */
export async function holdStreams(gate: Gate, isOver: () => boolean, onBroken: () => void): Promise<void> {
  while (!isOver()) {
    await new Promise<void>(resolve => {
      const socket = open(gate.port)
      let isWhole = false
      socket.write(bytesOf(gate.token, chatOf(true)))
      socket.on('data', piece => {
        if (isOver()) socket.destroy()
        else if (piece.includes(DONE)) {
          isWhole = true
          socket.destroy()
        }
      })
      socket.once('close', () => {
        if (!isWhole && !isOver()) onBroken()
        resolve()
      })
    })
  }
}

/** Makes a call and leaves: in its head, in its body, before the answer, or in the middle of it; by reset or by goodbye. */
export async function abortOne({ port, token }: Gate, random: () => number): Promise<void> {
  await new Promise<void>(resolve => {
    const socket = open(port)
    const bytes = bytesOf(token, chatOf(random() < 0.5, 'x'.repeat(Math.floor(random() * 2_000))))
    const leave = () => (random() < 0.5 ? socket.resetAndDestroy() : socket.destroy())
    socket.once('close', () => resolve())
    const where = random()
    if (where < 0.25) socket.write(bytes.subarray(0, Math.floor(random() * bytes.length)), () => setTimeout(leave, 1))
    else if (where < 0.5) socket.write(bytes, () => setTimeout(leave, random() * 5))
    else {
      socket.write(bytes)
      socket.once('data', leave)
    }
  })
}

/** Bodies of all kinds, good and bad, and what the gate says to them. */
export async function mixedOne({ port, token }: Gate, random: () => number): Promise<number> {
  const picture = (bytes: number) => [
    { type: 'image_url', image_url: { url: `data:image/png;base64,${'iVBORw0K'.repeat(bytes / 8)}` } }
  ]
  const kinds: (() => Buffer)[] = [
    () => bytesOf(token, chatOf(false)),
    () => bytesOf(token, chatOf(false, 'long '.repeat(20_000))),
    () => bytesOf(token, chatOf(false, picture(64 * 1024))),
    () => bytesOf(token, chatOf(false, picture(1024 ** 2))),
    () => bytesOf(token, '{"model":"m","messages":['),
    () => bytesOf(token, '{"model":"other","messages":[]}'),
    () => bytesOf('nonsense', chatOf(false)),
    () => bytesOf(token, 'x'.repeat(100_000)),
    () => Buffer.from('\x16\x03\x01 no HTTP at all\r\n\r\n')
  ]
  const bytes = kinds[Math.floor(random() * kinds.length)]?.() ?? Buffer.alloc(0)
  return await new Promise<number>(resolve => {
    const socket = open(port)
    let status = 0
    socket.write(bytes)
    socket.once('data', piece => {
      status = Number(piece.toString('latin1', 9, 12))
      socket.end()
    })
    socket.resume()
    socket.once('close', () => resolve(status))
  })
}
