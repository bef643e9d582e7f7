import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Test } from 'tap'
import type { UsageEvent } from '../../src/segments/format.ts'

/** A request that has come whole. */
export interface Received {
  readonly headers: IncomingMessage['headers']
  readonly events: readonly UsageEvent[]
  readonly bytes: number
}

/** What becomes of a request: a status, with headers and words, or a connection that ends, the records kept or not. */
export type Answer =
  | number
  | 'reset'
  | 'kept, and reset'
  | 'silence'
  | { readonly status: number; readonly headers?: Record<string, string>; readonly body?: string }

/** Whoever takes batches of CloudEvents, over real sockets. */
export interface Receiver {
  readonly url: string
  readonly received: Received[]
  /** Of everything that was answered with 2xx, by `source` and `id`: how often it came. */
  readonly kept: Map<string, number>
  /** Decides what becomes of each request; 204 for all unless given. */
  decide: (received: Received, count: number) => Answer
  /** Resolves when a question is answered by yes; it is asked after each request. */
  until(question: () => boolean): Promise<void>
  stop(): Promise<void>
}

/** Starts one; it ends with the test. */
export async function startReceiver(
  t: Pick<Test, 'teardown'>,
  init: { readonly port?: number; readonly tls?: { readonly cert: string; readonly key: string } } = {}
): Promise<Receiver> {
  const sockets = new Set<Socket>()
  const waiting = new Set<() => void>()
  const handle = (request: IncomingMessage, response: ServerResponse) => {
    const pieces: Buffer[] = []
    request.on('data', piece => pieces.push(piece))
    request.once('end', () => {
      const bytes = Buffer.concat(pieces)
      const received = { headers: request.headers, events: JSON.parse(bytes.toString('utf8')), bytes: bytes.length }
      receiver.received.push(received)
      answer(received, receiver.decide(received, receiver.received.length), response)
      for (const wake of waiting) wake()
    })
  }
  const answer = (received: Received, what: Answer, response: ServerResponse) => {
    if (what === 'silence') return
    const {
      status,
      headers = {},
      body = ''
    } = typeof what === 'object' ? what : { status: typeof what === 'string' ? 0 : what }
    if ((status >= 200 && status < 300) || what === 'kept, and reset')
      for (const { source, id } of received.events)
        receiver.kept.set(`${source} ${id}`, (receiver.kept.get(`${source} ${id}`) ?? 0) + 1)
    if (typeof what === 'string') response.socket?.resetAndDestroy()
    else response.writeHead(status, headers).end(body)
  }
  const server = init.tls === undefined ? createServer(handle) : createTlsServer(init.tls, handle)
  server.on(init.tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  await new Promise<void>(resolve => server.listen(init.port ?? 0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const stop = async () => {
    const closed = new Promise(resolve => server.close(resolve))
    for (const socket of sockets) socket.destroy()
    await closed
  }
  t.teardown(stop)
  const receiver: Receiver = {
    url: `${init.tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}/events`,
    received: [],
    kept: new Map(),
    decide: () => 204,
    async until(question) {
      while (!question()) {
        await new Promise<void>(resolve => {
          const wake = () => {
            waiting.delete(wake)
            resolve()
          }
          waiting.add(wake)
        })
      }
    },
    stop
  }
  return receiver
}
