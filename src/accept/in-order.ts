import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** What answers a request. */
export type Serve = (request: IncomingMessage, response: ServerResponse) => void

/** More that wait, and nothing more is read. One read of 64 KiB may bring more than these. */
const PAUSE_AT = 16
/** More that wait than these, and the connection ends: heads that take 18 bytes on the wire take kilobytes in memory. */
const MAX_WAITING = 256

interface Line {
  isBusy: boolean
  readonly waiting: (readonly [IncomingMessage, ServerResponse])[]
}

/**
 * Serves the requests of one connection one after the other: Node hands on all that a caller sends without waiting (RFC 9112
 * section 9.3.2) at once, and one connection would have hundreds of calls at an engine. A request whose connection ends before
 * its turn never began.
 *
 * While more than a few wait, the connection is not read, and a caller who leaves is noticed with the next write.
 *
 * @param onTooMany told of a connection right before it is destroyed
 * @param isEnding whether nothing begins any more that waits
 */
export function serveInOrder(
  server: Server,
  serve: Serve,
  onTooMany: (socket: Socket) => void,
  isEnding: () => boolean = () => false
): void {
  const lines = new WeakMap<Socket, Line>()

  function run(line: Line, request: IncomingMessage, response: ServerResponse): void {
    line.isBusy = true
    response.once('close', () => {
      line.isBusy = false
      const next = line.waiting.shift()
      if (next === undefined) return
      // The answer was the last one.
      if (!request.socket.writable || isEnding()) {
        line.waiting.length = 0
        request.socket.destroySoon()
        return
      }
      if (line.waiting.length < PAUSE_AT) request.socket.resume()
      run(line, ...next)
    })
    serve(request, response)
  }

  server.removeAllListeners('request')
  server.on('request', (request, response) => {
    const { socket } = request
    let line = lines.get(socket)
    if (line === undefined) {
      const made: Line = { isBusy: false, waiting: [] }
      // Node reads on by itself whenever it is done with the body of a request.
      socket.on('resume', () => {
        if (made.waiting.length >= PAUSE_AT) socket.pause()
      })
      lines.set(socket, made)
      line = made
    }
    if (!line.isBusy) {
      run(line, request, response)
      return
    }
    // What a read has brought is parsed to its end.
    if (socket.destroyed) return
    line.waiting.push([request, response])
    if (line.waiting.length > MAX_WAITING) {
      line.waiting.length = 0
      onTooMany(socket)
      socket.destroy()
    } else if (line.waiting.length >= PAUSE_AT) socket.pause()
  })
}
