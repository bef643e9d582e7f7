import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { clientHello } from '../helpers/strangers.ts'

/** Every attack, by its name. */
export const ATTACKS = ['handshakes', 'chunks', 'idle', 'forged', 'logins', 'poison', 'pipelined'] as const
export type Attack = (typeof ATTACKS)[number]

/** What attackers are given. */
export interface AttackInit {
  readonly attack: Attack
  readonly port: number
  readonly isTls: boolean
  /** A good one, of a team of the attackers' own. */
  readonly token: string
}

const HOST = '127.0.0.1'
/** Attackers come from a few addresses, a login storm from one. */
const ADDRESSES = 8

let connections = 0
let done = 0
const init = JSON.parse(process.env.ATTACK ?? 'null') as AttackInit | null

const pause = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))
/** Each attack has addresses of its own: some of the one before are banned. */
const addressOf = (number: number) =>
  `127.0.${10 + ATTACKS.indexOf(init?.attack ?? 'idle')}.${(number % ADDRESSES) + 1}`

/** A TCP connection; with `secure` one of TLS where the gate speaks that. */
function dial({ port, isTls }: AttackInit, localAddress: string, secure = true): Socket {
  connections++
  const socket = connect({ host: HOST, port, localAddress })
  const spoken = isTls && secure ? connectTls({ socket, rejectUnauthorized: false }) : socket
  for (const one of new Set([socket, spoken])) one.on('error', () => {})
  spoken.resume()
  return spoken
}

const closed = (socket: Socket) =>
  new Promise<void>(resolve => (socket.closed ? resolve() : socket.once('close', () => resolve())))

/** So many at once, each followed by another when it has ended, with a moment between. */
async function hold(count: number, one: (number: number) => Promise<void>): Promise<void> {
  const lane = async (number: number) => {
    await pause(number)
    for (;;) {
      await one(number)
      done++
      await pause(50)
    }
  }
  await Promise.all(Array.from({ length: count }, (_, number) => lane(number)))
}

const headOf = (path: string, token: string, rest: string) =>
  `POST ${path} HTTP/1.1\r\nHost: a\r\n${token === '' ? '' : `Authorization: Bearer ${token}\r\n`}Content-Type: application/json\r\n${rest}\r\n\r\n`

const callOf = (token: string, content: string) => {
  const body = JSON.stringify({ model: 'm', messages: [{ role: 'user', content }] })
  return `${headOf('/v1/chat/completions', token, `Content-Length: ${body.length}`)}${body}`
}

/** Sends a whole request and resolves with its answer, or with nothing when the connection ends. */
function answerOf(socket: Socket, bytes: string): Promise<string> {
  return new Promise(resolve => {
    const end = (text: string) => {
      socket.off('data', onData)
      socket.off('close', onClose)
      resolve(text)
    }
    const onData = (piece: Buffer) => end(piece.toString('latin1'))
    const onClose = () => end('')
    socket.on('data', onData)
    socket.once('close', onClose)
    socket.write(bytes)
  })
}

/** Makes one request after the other over a connection that is made again when it ends, at a steady pace. */
async function ask(of: AttackInit, address: string, everyMs: number, bytesOf: () => string): Promise<void> {
  let socket = dial(of, address)
  for (let nextMs = performance.now(); ; nextMs += everyMs) {
    if (socket.closed || !socket.writable) socket = dial(of, address)
    await answerOf(socket, bytesOf())
    done++
    await pause(Math.max(1, nextMs - performance.now()))
  }
}

const lanes = (count: number, one: (number: number) => Promise<void>) =>
  Promise.all(Array.from({ length: count }, (_, number) => one(number)))

const RUN: Readonly<Record<Attack, (of: AttackInit) => Promise<unknown>>> = {
  async handshakes(of) {
    const half = of.isTls ? (await clientHello()).subarray(0, 100) : 'POST /v1/chat/completions HTTP/1.1\r\nHo'
    await hold(1_000, async number => {
      const socket = dial(of, addressOf(number), false)
      socket.write(half)
      await closed(socket)
    })
  },
  chunks: of =>
    hold(500, async number => {
      // Every other one where no token is needed.
      const [path, token] = number % 2 === 0 ? ['/v1/chat/completions', of.token] : ['/login', '']
      const socket = dial(of, addressOf(number))
      socket.write(headOf(path, token, 'Transfer-Encoding: chunked'))
      const chunks = '1\r\nx\r\n'.repeat(2_000)
      for (let piece = 0; piece < 20 && !socket.closed; piece++) {
        socket.write(chunks)
        await pause(200)
      }
      socket.destroy()
      await closed(socket)
    }),
  idle: of =>
    hold(5_000, async number => {
      const socket = dial(of, addressOf(number))
      // Every other one is idle behind an answer.
      if (number % 2 === 0) socket.write('GET /v1/models HTTP/1.1\r\nHost: a\r\n\r\n')
      await closed(socket)
      await pause(1_000)
    }),
  forged: of =>
    // 64 lanes of 40 in a second: 100 000 in 39 s.
    lanes(64, number => {
      const [head = '', claims = ''] = of.token.split('.')
      let made = 0
      return ask(of, addressOf(number), 25, () => {
        const signature = Buffer.from(`${number} ${made++}`.padEnd(64, '.')).toString('base64url')
        return callOf(`${head}.${claims}.${signature}`, 'x')
      })
    }),
  logins: of =>
    lanes(200, number => {
      let made = 0
      return ask(of, addressOf(0), 100, () => {
        const body = JSON.stringify({ username: `nobody-${number}-${made++}`, password: 'wrong' })
        return `${headOf('/login', '', `Content-Length: ${body.length}`)}${body}`
      })
    }),
  poison: of => lanes(20, number => ask(of, addressOf(number), 200, () => callOf(of.token, 'poison'))),
  pipelined: of =>
    hold(20, async number => {
      const socket = dial(of, addressOf(number))
      socket.write(callOf(of.token, 'x').repeat(500))
      await Promise.race([closed(socket), pause(10_000)])
      socket.destroy()
    })
}

if (init !== null) {
  process.on('message', () => process.send?.({ connections, done }))
  process.once('disconnect', () => process.exit())
  void RUN[init.attack](init)
}
