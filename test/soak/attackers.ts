import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { clientHello } from '../helpers/strangers.ts'

/** How many forged tokens there are, from 64 connections. */
export const FORGED = 100_032
const FORGED_EVERY_MS = 10

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

/** What attackers have done. */
export interface AttackFigures {
  readonly connections: number
  /** Requests or connections that have come to their end. */
  readonly done: number
  /** By status, or by what came instead. */
  readonly answers: Readonly<Record<string, number>>
}

const HOST = '127.0.0.1'
/** Attackers come from a few addresses, a login storm from one. */
const ADDRESSES = 8

let connections = 0
let done = 0
/** How attempts were answered, by status or by what came instead. */
const answers = new Map<string, number>()
const note = (what: string) => answers.set(what, (answers.get(what) ?? 0) + 1)
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

const STATUS = /HTTP\/1\.1 (\d{3})/g
/** Who gets no answer for so long begins another connection. */
const ANSWER_MS = 10_000

/** Counts every answer that comes on a connection. */
function countAnswers(socket: Socket): Socket {
  return socket.on('data', (piece: Buffer) => {
    for (const [, status] of piece.toString('latin1').matchAll(STATUS)) note(status ?? '')
  })
}

/** A connection for one request after the other. */
class Asking {
  readonly socket: Socket
  #end: (what: string) => void = () => {}

  constructor(of: AttackInit, address: string) {
    this.socket = dial(of, address)
    this.socket.on('data', (piece: Buffer) => {
      const [, status] = /^HTTP\/1\.1 (\d{3})/.exec(piece.toString('latin1', 0, 12)) ?? []
      if (status !== undefined) this.#end(status)
    })
    this.socket.on('close', () => this.#end('closed'))
  }

  /** @returns the status, or what came instead of one */
  ask(bytes: string): Promise<string> {
    return new Promise(resolve => {
      const clock = setTimeout(() => this.#end('none'), ANSWER_MS)
      this.#end = what => {
        clearTimeout(clock)
        this.#end = () => {}
        if (what === 'none') this.socket.destroy()
        resolve(what)
      }
      this.socket.write(bytes)
    })
  }
}

/** Makes one request after the other over a connection that is made again when it ends, at a steady pace. */
async function ask(
  of: AttackInit,
  address: string,
  everyMs: number,
  bytesOf: () => string,
  most = Number.POSITIVE_INFINITY
): Promise<void> {
  let asking = new Asking(of, address)
  for (let [made, nextMs] = [0, performance.now()]; made < most; made++, nextMs += everyMs) {
    if (asking.socket.closed || !asking.socket.writable) asking = new Asking(of, address)
    note(await asking.ask(bytesOf()))
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
      const socket = countAnswers(dial(of, addressOf(number), false))
      socket.write(half)
      await closed(socket)
    })
  },
  chunks: of =>
    hold(500, async number => {
      // Every other one where no token is needed.
      const [path, token] = number % 2 === 0 ? ['/v1/chat/completions', of.token] : ['/login', '']
      const socket = countAnswers(dial(of, addressOf(number)))
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
      const socket = countAnswers(dial(of, addressOf(number)))
      // Every other one is idle behind an answer.
      if (number % 2 === 0) socket.write('GET /v1/models HTTP/1.1\r\nHost: a\r\n\r\n')
      await closed(socket)
      await pause(1_000)
    }),
  forged: of =>
    lanes(64, number => {
      const [head = '', claims = ''] = of.token.split('.')
      let made = 0
      const bytesOf = () => {
        const signature = Buffer.from(`${number} ${made++}`.padEnd(64, '.')).toString('base64url')
        return callOf(`${head}.${claims}.${signature}`, 'x')
      }
      return ask(of, addressOf(number), FORGED_EVERY_MS, bytesOf, FORGED / 64)
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
      const socket = countAnswers(dial(of, addressOf(number)))
      socket.write(callOf(of.token, 'x').repeat(500))
      await Promise.race([closed(socket), pause(10_000)])
      socket.destroy()
    })
}

if (init !== null) {
  process.on('message', () => process.send?.({ connections, done, answers: Object.fromEntries(answers) }))
  process.once('disconnect', () => process.exit())
  void RUN[init.attack](init)
}
