import { connect as connectTcp, type Socket, type TcpNetConnectOpts } from 'node:net'
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls'
import type { Ms } from '../time.ts'

/** Where to connect to, and how. */
export interface ConnectInit {
  /** In the order in which they are tried. Never empty. */
  readonly addresses: readonly { readonly address: string; readonly port: number }[]
  /** Null for a connection without TLS. */
  readonly tls: ConnectTls | null
  /** For all of it: every address, and the TLS handshake. */
  readonly timeoutMs: Ms
  /** Called with the place of each address that could not be connected to, perhaps after another one was. */
  readonly onFailed: (place: number) => void
}

/** What a TLS connection trusts, shows and resumes. */
export interface ConnectTls {
  /** The name in the certificate; the address where the target is no name. */
  readonly host: string
  readonly options: { readonly ca?: string; readonly cert?: string; readonly key?: string }
  readonly session: Buffer | undefined
  readonly onSession: (session: Buffer) => void
}

/** Called once: with a socket and the place of its address, or with an error and -1. */
export type OnSocket = (error: Error | null, socket: Socket | null, place: number) => void

/** An address that has not connected within this is no reason not to try the next one beside it (RFC 8305 section 5). */
const STAGGER_MS: Ms = 250
/** One that is still not connected so long after another one counts as failed: the event loop may be late itself. */
const LOSER_MS: Ms = 1_000
const KEEP_ALIVE_MS: Ms = 60_000
/** What only says that this machine has no way there: another error says more. */
const NO_WAY: ReadonlySet<unknown> = new Set(['ENETUNREACH', 'EADDRNOTAVAIL', 'EAFNOSUPPORT', 'EINVAL', 'ENETDOWN'])

/**
 * Opens a connection to the first address that answers: each is tried when the one before has failed, or has taken 250 ms,
 * and none is given up for being slow before the time is over.
 */
export function connectSocket(init: ConnectInit, onSocket: OnSocket): void {
  const { tls, timeoutMs, onFailed } = init
  let isDone = false
  const finish: OnSocket = (error, socket, place) => {
    if (isDone) return
    isDone = true
    clearTimeout(late)
    onSocket(error, socket, place)
  }
  const race = raceTcp(init, (error, tcp, place) => {
    if (tcp === null || tls === null) finish(error, tcp, place)
    else {
      shakeHands(tcp, tls, (failure, secure) => {
        if (secure === null) onFailed(place)
        finish(failure, secure, secure === null ? -1 : place)
      })
    }
  })
  const late = setTimeout(() => {
    race.cancel()
    finish(Object.assign(new Error(`no connection within ${timeoutMs} ms`), { code: 'ETIMEDOUT' }), null, -1)
  }, timeoutMs)
}

function raceTcp({ addresses, onFailed }: ConnectInit, onSettled: OnSocket): { cancel(): void } {
  const pending = new Map<Socket, number>()
  const errors: Error[] = []
  let begun = 0
  let winner: Socket | null = null
  let stagger: NodeJS.Timeout | undefined

  const endPending = () => {
    for (const [socket, place] of pending) {
      onFailed(place)
      socket.destroy()
    }
    pending.clear()
  }
  const failed = (place: number, error: Error) => {
    onFailed(place)
    errors.push(error)
    if (winner !== null) return
    if (begun < addresses.length) tryNext()
    else if (pending.size === 0) onSettled(worst(errors), null, -1)
  }
  const connected = (socket: Socket, place: number) => {
    if (winner !== null) {
      socket.destroy()
      return
    }
    winner = socket
    clearTimeout(stagger)
    if (pending.size > 0) setTimeout(endPending, LOSER_MS).unref()
    onSettled(null, socket, place)
  }
  const tryNext = () => {
    clearTimeout(stagger)
    const place = begun++
    const options: TcpNetConnectOpts & { readonly highWaterMark: number } = {
      host: addresses[place]?.address ?? '',
      port: addresses[place]?.port ?? 0,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_MS,
      autoSelectFamily: false,
      highWaterMark: 64 * 1024
    }
    const socket = connectTcp(options)
    pending.set(socket, place)
    socket.once('error', error => {
      if (pending.delete(socket)) failed(place, error)
    })
    socket.once('connect', () => {
      if (pending.delete(socket)) connected(socket, place)
    })
    if (begun < addresses.length) stagger = setTimeout(tryNext, STAGGER_MS)
  }
  tryNext()
  return {
    cancel() {
      clearTimeout(stagger)
      endPending()
      winner?.destroy()
    }
  }
}

function shakeHands(tcp: Socket, tls: ConnectTls, done: (error: Error | null, secure: TLSSocket | null) => void): void {
  const secure = secured(tcp, tls)
  const broken = (error: Error) => {
    secure.off('close', closed)
    // It may fail more than once.
    secure.on('error', () => {})
    done(error, null)
  }
  const closed = () => broken(Object.assign(new Error('closed in the TLS handshake'), { code: 'ECONNRESET' }))
  secure.once('error', broken).once('close', closed)
  secure.once('secureConnect', () => {
    secure.off('error', broken).off('close', closed)
    done(null, secure)
  })
}

function secured(socket: Socket, { host, options, session, onSession }: ConnectTls): TLSSocket {
  const init: ConnectionOptions & { readonly highWaterMark: number } = {
    ...options,
    socket,
    host,
    // An address is no server name (RFC 6066 section 3); the certificate is checked against it all the same.
    ...(/^[0-9.]+$|:/.test(host) ? {} : { servername: host.replace(/\.$/, '') }),
    rejectUnauthorized: true,
    ALPNProtocols: ['http/1.1'],
    ...(session === undefined ? {} : { session }),
    highWaterMark: 16 * 1024
  }
  const secure = connectTls(init)
  secure.on('session', onSession)
  return secure
}

function worst(errors: readonly Error[]): Error {
  const telling = errors.find(error => !('code' in error && NO_WAY.has(error.code)))
  return telling ?? errors[0] ?? new Error('no address')
}
