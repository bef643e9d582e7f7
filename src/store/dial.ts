import { connect as connectTcp, isIP, type LookupFunction, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { Ms } from '../time.ts'
import { type Dialed, faultOfReply, faultOfSilence, faultOfSocket, faultOfStranger, StoreFault } from './faults.ts'
import type { StoreLogin, StoreServer, StoreTls } from './options.ts'
import { NoReply, type Reply, ReplyRefusal, talk } from './talk.ts'

/** How a server is spoken to. */
export interface Dialing {
  readonly tls: StoreTls | null
  readonly login: StoreLogin | null
  readonly database: number
  /** For all of it: the look-up of the name, the connection, TLS, the greeting. */
  readonly timeoutMs: Ms
  /** That of the process unless given. */
  readonly lookup?: LookupFunction
}

const KEEP_ALIVE_MS: Ms = 10_000

/**
 * Opens a connection and logs in, so that whoever gets it may ask at once. A name stays a name up to TLS, which checks it.
 *
 * @param ask commands besides, whose answers come back too
 * @throws (rejects) StoreFault, with the cause in plain words
 */
export async function dial(
  { host, port }: StoreServer,
  { tls, login, database, timeoutMs, lookup }: Dialing,
  ask: readonly (readonly string[])[] = []
): Promise<{ readonly socket: Socket; readonly replies: readonly Reply[] }> {
  let stage: Dialed['stage'] = isIP(host) === 0 ? 'name' : 'connect'
  const dialed = (): Dialed => ({ host, port, stage, isTls: tls !== null })
  const target = { host, port, ...(lookup === undefined ? {} : { lookup }) }
  const socket = tls === null ? connectTcp(target) : connectTls({ ...target, ...secureOf(tls, host) })
  // What fails later is told to whoever holds the socket then; it must never be nobody.
  socket.on('error', () => {})
  socket.once('lookup', () => {
    stage = 'connect'
  })
  socket.once('connect', () => {
    stage = tls === null ? 'greeting' : 'tls'
  })
  const { promise: late, reject: giveUp } = Promise.withResolvers<never>()
  const clock = setTimeout(() => giveUp(faultOfSilence(dialed(), timeoutMs)), timeoutMs)
  try {
    await Promise.race([opened(socket, tls === null ? 'connect' : 'secureConnect'), late])
    stage = 'greeting'
    socket.setNoDelay(true)
    socket.setKeepAlive(true, KEEP_ALIVE_MS)
    const greetings = greetingsOf(login, database)
    const replies = await Promise.race([talk(socket, [...greetings, ...ask]), late])
    for (const [i, [command]] of greetings.entries()) demand(command, replies[i])
    return { socket, replies: replies.slice(greetings.length) }
  } catch (err) {
    socket.destroy()
    if (err instanceof StoreFault) throw err
    throw err instanceof NoReply ? faultOfStranger(dialed(), err.first) : faultOfSocket(err, dialed())
  } finally {
    clearTimeout(clock)
  }
}

/** Rejects with the socket's error, and with null when it is closed. */
function opened(socket: Socket, event: 'connect' | 'secureConnect'): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once(event, () => resolve())
    socket.once('error', reject)
    socket.once('close', () => reject(null))
  })
}

function secureOf({ ca, cert, key, serverName }: StoreTls, host: string) {
  const name = serverName ?? (isIP(host) === 0 ? host : null)
  return {
    ...(ca === null ? {} : { ca }),
    ...(cert === null || key === null ? {} : { cert, key }),
    // RFC 6066 section 3: no address is a server name.
    ...(name === null ? {} : { servername: name })
  }
}

function greetingsOf(login: StoreLogin | null, database: number): readonly (readonly string[])[] {
  return [
    ...(login === null ? [] : [['AUTH', ...(login.username === null ? [] : [login.username]), login.password]]),
    ...(database === 0 ? [] : [['SELECT', String(database)]]),
    ['CLIENT', 'SETNAME', 'tollgate'],
    ['PING']
  ]
}

/** @throws StoreFault for an answer with which nothing can go on */
function demand(command: string | undefined, reply: Reply | undefined): void {
  if (!(reply instanceof ReplyRefusal)) return
  // A name is a courtesy, and some proxies have neither.
  if (command === 'CLIENT') return
  // A password that the store does not ask for opens it all the same.
  if (command === 'AUTH' && /without any password|no password is set/i.test(reply.text)) return
  const fault = faultOfReply(reply.text)
  // What a server says may hold what it was sent: a password.
  if (command === 'AUTH') throw fault ?? new StoreFault('the store refuses to log in', 'the user and password in store')
  if (fault !== null && !(command === 'PING' && /unknown command/i.test(reply.text))) throw fault
}
