import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Ms } from '../time.ts'

/**
 * Makes a listener for a response's `timeout`, which Node emits when its socket was idle for the server's timeout.
 *
 * Idle with nothing to write is an engine that thinks: the watch goes on. Idle with bytes that the caller does not
 * take is a stalled reader, and it is cut. Between requests there is no response, hence no such listener, and Node
 * closes an idle keep-alive connection by itself.
 */
export function cutStalledReader(
  stallMs: Ms,
  /** Told of the response, right before its socket is cut. */
  onCut: (response: ServerResponse) => void
): (this: ServerResponse, socket: Socket) => void {
  return function onTimeout(socket) {
    if (socket.writableLength === 0) {
      socket.setTimeout(stallMs)
      return
    }
    onCut(this)
    socket.destroy()
  }
}
