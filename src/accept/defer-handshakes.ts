import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import type { LoopTurns } from './loop-turns.ts'
import type { ReadTurns } from './read-turns.ts'

/** By what handshakes wait. */
interface HandshakeTurns {
  /** So many begin in one turn of the event loop. */
  readonly loop: Pick<LoopTurns, 'take' | 'wait'>
  /** Those of addresses that send bodies in small pieces wait for these. */
  readonly read: Pick<ReadTurns, 'delayHandshake'>
}

/**
 * Takes the beginning of TLS out of the hands of a server. A handshake begins when its caller has sent something, and only a few
 * begin in one turn of the event loop, in turns by address: the first message of a caller is the one that costs. A silent
 * connection costs no TLS session.
 * @returns what begins TLS on a new connection, for the last listener of `connection`
 */
export function deferHandshakes(server: Server, { loop, read }: HandshakeTurns): (raw: Socket) => void {
  const begins = server.listeners('connection') as ((raw: Socket) => void)[]
  server.removeAllListeners('connection')
  return raw => {
    if (raw.destroyed) return
    // Nobody else listens yet; whoever has left is destroyed by Node.
    raw.on('error', ignore)
    const begin = () => {
      if (raw.destroyed) return
      raw.off('error', ignore)
      for (const listener of begins) listener.call(server, raw)
    }
    raw.once('readable', () => {
      // The caller has left without a word.
      if (raw.readableLength === 0) raw.destroy()
      else if (read.delayHandshake(raw, begin)) return
      else if (loop.take()) begin()
      else loop.wait(raw.remoteAddress ?? '', begin)
    })
  }
}

const ignore = () => {}
