import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'

/** What uvicorn waits between two requests of a connection, on every engine (engines.md section 3.3). */
const KEEP_ALIVE_MS = 5_000

/** A server that treats connections as uvicorn does: `server: uvicorn`, no hint about keep-alive, and an end after 5 s of silence. */
export function createUvicorn(
  handle: (request: IncomingMessage, response: ServerResponse) => void,
  /** Told when it ends a connection that nobody used. */
  onIdle: () => void
): Server {
  const clocks = new WeakMap<object, NodeJS.Timeout>()
  const server = createServer((request, response) => {
    const { socket } = request
    clearTimeout(clocks.get(socket))
    response.setHeader('server', 'uvicorn')
    // Node would say `keep-alive`; uvicorn says nothing.
    response.removeHeader('connection')
    response.once('finish', () => {
      clocks.set(
        socket,
        setTimeout(() => {
          if (socket.destroyed) return
          onIdle()
          socket.end()
        }, KEEP_ALIVE_MS)
      )
    })
    handle(request, response)
  })
  server.keepAliveTimeout = 0
  return server
}

/** The path of a request as ASGI servers hand it on: percent-decoded, without the query. */
export function asgiPath(url: string): string {
  const path = url.split('?', 1)[0] ?? ''
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}
