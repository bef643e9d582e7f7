import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Ms } from '../time.ts'
import { LoopTurns } from './loop-turns.ts'
import type { ReadTurns } from './read-turns.ts'

/** A ClientHello takes about a millisecond of CPU. */
const IN_TURN = 2
/** Concurrent handshakes: their last messages, each with a first request, may all arrive in one turn of the event loop. */
const AT_ONCE = 24
/** From this number on, only addresses without a concurrent handshake begin one: slow handshakes of a few addresses block no other. */
const SHARED_AT_ONCE = 16
/** A handshake that takes longer does not count as concurrent any more: the network is slow, or the client never finishes. */
const SLOW_MS: Ms = 250

/**
 * Takes the beginning of TLS out of the hands of a server. A handshake begins when its caller has sent something; only a few
 * begin in one turn of the event loop, in turns by address, and only some are under way at once. A silent connection costs no
 * TLS session.
 * @param read those of addresses that send bodies in small pieces wait for these turns
 * @returns what begins TLS on a new connection, for the last listener of `connection`
 */
export function deferHandshakes(server: Server, read: Pick<ReadTurns, 'delayHandshake'>): (raw: Socket) => void {
  const begins = server.listeners('connection') as ((raw: Socket) => void)[]
  /** Concurrent handshakes by the client's address and port: what to call when each has ended. */
  const underWay = new Map<string, () => void>()
  const underWayBy = new Map<string, number>()
  const isFull = (address: string | null): boolean =>
    underWay.size >= (address !== null && underWayBy.has(address) ? SHARED_AT_ONCE : AT_ONCE)
  const turns = new LoopTurns(IN_TURN, isFull)
  server.removeAllListeners('connection')
  server.on('secureConnection', (socket: Socket) => underWay.get(peerOf(socket))?.())

  function begin(raw: Socket): void {
    const { remoteAddress: address } = raw
    // A client that has reset the connection has no address any more.
    if (raw.destroyed || address === undefined) {
      raw.destroy()
      return
    }
    raw.off('error', ignore)
    const peer = peerOf(raw)
    const end = () => {
      clearTimeout(clock)
      if (underWay.get(peer) !== end) return
      underWay.delete(peer)
      const others = (underWayBy.get(address) ?? 1) - 1
      if (others === 0) underWayBy.delete(address)
      else underWayBy.set(address, others)
      turns.retry()
    }
    const clock = setTimeout(end, SLOW_MS)
    underWay.set(peer, end)
    underWayBy.set(address, (underWayBy.get(address) ?? 0) + 1)
    raw.once('close', end)
    for (const listener of begins) listener.call(server, raw)
  }

  return raw => {
    if (raw.destroyed) return
    // Without a listener a reset would end the process. Node destroys the socket itself.
    raw.on('error', ignore)
    raw.once('readable', () => {
      // The caller has left without a word.
      if (raw.readableLength === 0) raw.destroy()
      else if (read.delayHandshake(raw, () => begin(raw))) return
      else if (turns.take(raw.remoteAddress ?? '')) begin(raw)
      else turns.wait(raw.remoteAddress ?? '', () => begin(raw))
    })
  }
}

const ignore = () => {}

function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`
}
