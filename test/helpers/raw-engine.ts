import { type AddressInfo, createServer, type Socket } from 'node:net'
import type { Test } from 'tap'

/** A request as it came to an engine that is no more than a socket. */
export interface RawRequest {
  readonly socket: Socket
  /** Which of the engine's connections it came on, counted from 1. */
  readonly connection: number
  readonly head: string
  readonly body: string
}

/** An engine whose every byte is written by the test. */
export interface RawEngine {
  readonly port: number
  readonly origin: string
  /** Connections that ever came. */
  readonly accepted: number
  /** Resolves with the next request that nobody has taken yet, when it is whole. */
  next(): Promise<RawRequest>
  /** Resolves when the next head has come that nobody has taken yet; no more of its connection is read then. */
  nextHead(): Promise<Socket>
}

/** Starts an engine that answers nothing by itself; it ends with the test. */
export async function startRawEngine(t: Pick<Test, 'teardown'>): Promise<RawEngine> {
  const sockets = new Set<Socket>()
  const whole = new Line<RawRequest>()
  const heads = new Line<Socket>()
  let accepted = 0
  const server = createServer(socket => {
    const connection = ++accepted
    sockets.add(socket)
    socket.setNoDelay(true)
    socket.on('error', () => {})
    let read = ''
    socket.on('data', piece => {
      read += piece.toString('latin1')
      const headEnd = read.indexOf('\r\n\r\n')
      if (headEnd === -1) return
      const head = read.slice(0, headEnd)
      if (heads.isAwaited) {
        socket.pause()
        heads.put(socket)
      }
      const bodyEnd = headEnd + 4 + Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0)
      if (read.length < bodyEnd) return
      whole.put({ socket, connection, head, body: read.slice(headEnd + 4, bodyEnd) })
      read = read.slice(bodyEnd)
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return {
    port,
    origin: `http://127.0.0.1:${port}`,
    get accepted() {
      return accepted
    },
    next: () => whole.take(),
    nextHead: () => heads.take()
  }
}

/** Things in the order in which they came, and those who wait for them. */
class Line<T> {
  readonly #things: T[] = []
  readonly #waiting: ((thing: T) => void)[] = []

  get isAwaited(): boolean {
    return this.#waiting.length > 0
  }

  put(thing: T): void {
    const first = this.#waiting.shift()
    if (first === undefined) this.#things.push(thing)
    else first(thing)
  }

  take(): Promise<T> {
    const thing = this.#things.shift()
    return thing === undefined ? new Promise(resolve => this.#waiting.push(resolve)) : Promise.resolve(thing)
  }
}

/** An answer whose body is a text. */
export function rawAnswer(body: string, status = '200 OK', headers = ''): string {
  return `HTTP/1.1 ${status}\r\n${headers}content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`
}
