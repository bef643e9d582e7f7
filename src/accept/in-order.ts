import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { LoopTurns } from './loop-turns.ts'
import type { Spend } from './read-turns.ts'
import { stopReading } from './stop-reading.ts'

/** What answers a request. */
export type Serve = (request: IncomingMessage, response: ServerResponse) => void

/** More that wait, and nothing more is read. One read of 64 KiB may bring more than these. */
const PAUSE_AT = 16
/** More that wait than these, and the connection ends: heads that take 18 bytes on the wire take kilobytes in memory. */
const MAX_WAITING = 256
/** What a request that waits costs a parser, in small chunks. */
const PIECES = 32

/** The requests of one connection. */
interface Line {
  isBusy: boolean
  readonly waiting: (readonly [IncomingMessage, ServerResponse])[]
  /** The same function for all responses of the connection: nothing is made for each of them. */
  readonly onClose: () => void
}

/** What serving in order tells, and asks. */
interface InOrderEvents {
  /** Told of a connection right before it is destroyed. */
  readonly onTooMany?: (socket: Socket) => void
  /** Whether nothing begins any more that waits. */
  readonly isEnding?: () => boolean
  /** Counts what a connection has sent without waiting. */
  readonly spend?: Spend
  /** Shares the time of the event loop between callers; without it, everything begins as it comes. */
  readonly turns?: Pick<LoopTurns, 'take' | 'wait'>
  /** What `turns` are shared by. */
  readonly callerOf?: (request: IncomingMessage) => string
}

/**
 * Serves the requests of one connection one after the other: Node hands on all that a caller sends without waiting (RFC 9112
 * section 9.3.2) at once, and one connection would have hundreds of calls at an engine. A request whose connection ends before
 * its turn never began.
 *
 * While more than a few wait, the connection is not read, and a caller who leaves is noticed with the next write.
 */
export function serveInOrder(server: Server, serve: Serve, events: InOrderEvents = {}): void {
  const { onTooMany = () => {}, isEnding = () => false, spend = () => {}, turns, callerOf = () => '' } = events
  const lines = new WeakMap<Socket, Line>()

  function run(line: Line, request: IncomingMessage, response: ServerResponse): void {
    line.isBusy = true
    response.on('close', line.onClose)
    if (turns === undefined || turns.take()) {
      serve(request, response)
      return
    }
    turns.wait(callerOf(request), () => {
      if (!response.closed) serve(request, response)
    })
  }

  function openLine(socket: Socket): Line {
    const line: Line = {
      isBusy: false,
      waiting: [],
      onClose() {
        line.isBusy = false
        const next = line.waiting.shift()
        if (next === undefined) return
        // The answer was the last one.
        if (!socket.writable || isEnding()) {
          line.waiting.length = 0
          socket.destroySoon()
          return
        }
        if (line.waiting.length < PAUSE_AT) socket.resume()
        run(line, ...next)
      }
    }
    // Node reads on by itself whenever it is done with the body of a request.
    socket.on('resume', () => {
      if (line.waiting.length >= PAUSE_AT) stopReading(socket)
    })
    lines.set(socket, line)
    return line
  }

  server.removeAllListeners('request')
  server.on('request', (request, response) => {
    const { socket } = request
    const line = lines.get(socket) ?? openLine(socket)
    if (!line.isBusy) {
      run(line, request, response)
      return
    }
    // What a read has brought is parsed to its end, also when the connection has ended.
    if (socket.destroyed || line.waiting.length >= PAUSE_AT) spend(socket, PIECES)
    if (socket.destroyed) return
    line.waiting.push([request, response])
    if (line.waiting.length > MAX_WAITING) {
      line.waiting.length = 0
      onTooMany(socket)
      socket.destroy()
    } else if (line.waiting.length >= PAUSE_AT) stopReading(socket)
  })
}
