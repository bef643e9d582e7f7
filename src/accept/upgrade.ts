import { type IncomingMessage, type Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Upgrade } from '../exchange.ts'

/** The part of an application that requests are handed to. */
export interface Routed {
  readonly server: Pick<Server, 'on'>
  readonly routing: (request: IncomingMessage, response: ServerResponse) => void
}

/**
 * Sends requests for a WebSocket through the same rooms as any other: each gets a response of its own, so that a refusal
 * is an answer of HTTP before anything is upgraded. Which requests come here is for `shouldUpgradeCallback` to say
 * (server-options.ts); all others never leave Node's own path, and `checkHead` refuses them.
 *
 * @returns what a request brought along that asked for a WebSocket, or null
 */
export function routeUpgrades(app: Routed): (raw: IncomingMessage) => Upgrade | null {
  const upgrades = new WeakMap<IncomingMessage, Upgrade>()
  app.server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    // Node has taken its own listeners off: without one, a caller who resets would end the process.
    socket.on('error', () => socket.destroy())
    const response = new ServerResponse(request)
    response.shouldKeepAlive = false
    try {
      response.assignSocket(request.socket)
    } catch {
      // The answer to an earlier request on the same connection is not out yet: nothing honest is sent like that.
      socket.destroy()
      return
    }
    request.socket.setTimeout(0)
    // Nobody reads it before the engine has answered: a caller who leaves meanwhile would not be noticed.
    socket.on('readable', () => {
      if (socket.readableLength === 0) socket.read()
    })
    socket.once('end', () => socket.destroy())
    response.once('finish', () => request.socket.destroySoon())
    upgrades.set(request, { socket, head })
    app.routing(request, response)
  })
  return raw => upgrades.get(raw) ?? null
}
