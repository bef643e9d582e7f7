import type { Socket } from 'node:net'

/**
 * Reads no more of a connection of an HTTP server until `resume`, and of what was read not before then.
 *
 * Node begins to read again a tick after `resume`, also when `pause` was called in between: then the stream is paused, its
 * handle is read, and another `pause` does nothing. The event is what makes Node stop its handle.
 */
export function stopReading(socket: Socket): void {
  if (socket.isPaused()) socket.emit('pause')
  else socket.pause()
}
