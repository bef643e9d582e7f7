import { once } from 'node:events'
import { createServer, type LookupFunction, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { type Dialing, dial } from '../../src/store/dial.ts'
import { StoreFault } from '../../src/store/faults.ts'
import type { StoreTls } from '../../src/store/options.ts'
import { makeCertificate } from '../helpers/certificate.ts'
import { freePort } from '../helpers/ports.ts'
import { startRedis, WITHOUT_REDIS } from '../helpers/redis.ts'

const HOW: Dialing = { tls: null, login: null, database: 0, timeoutMs: 5_000 }
const TLS: StoreTls = { ca: null, cert: null, key: null, serverName: null }
const PASSWORD = 'the-secret-of-the-store'

/** Why a connection does not come about. */
async function causeOf(to: { host?: string; port: number }, how: Partial<Dialing> = {}): Promise<StoreFault> {
  try {
    const { socket } = await dial({ host: '127.0.0.1', ...to }, { ...HOW, ...how })
    socket.destroy()
  } catch (err) {
    if (err instanceof StoreFault) return err
    throw err
  }
  throw new Error('it connects')
}

/** Something that is no Redis. */
async function listen(t: Test, on: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    on(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as { port: number }).port
}

t.test('whoever does not answer as a Redis is named in plain words', async t => {
  const port = await freePort()
  t.match(await causeOf({ port }), { message: `127.0.0.1:${port} refuses connections: nothing listens there` })
  const host = 'store.example'
  const unknown = Object.assign(new Error('no such name'), { code: 'ENOTFOUND' })
  const nowhere = { lookup: ((_host, _options, callback) => callback(unknown, '', 0)) as LookupFunction }
  t.match(await causeOf({ host, port }, nowhere), { message: 'the name store.example is not known' })
  const silence = { lookup: (() => {}) as LookupFunction, timeoutMs: 50 }
  t.match(await causeOf({ host, port }, silence), { message: 'the name store.example cannot be looked up now' })
  const http = await listen(t, socket => socket.on('data', () => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n')))
  t.match(await causeOf({ port: http }), { message: `what listens at 127.0.0.1:${http} is no Redis` })
  const ssh = await listen(t, socket => socket.write('SSH-2.0-OpenSSH_9.2\r\n'))
  t.match(await causeOf({ port: ssh }), { message: /is no Redis/ })
  const rude = await listen(t, socket => socket.destroy())
  t.match(await causeOf({ port: rude }), { message: /closes connections without an answer/, fix: /rediss/ })
  t.match(await causeOf({ port: rude }, { tls: TLS }), { message: /ends the TLS handshake/ })
  const silent = await listen(t, () => {})
  const hasty = { timeoutMs: 50 }
  t.match(await causeOf({ port: silent }, hasty), { message: /takes connections and answers nothing within 50 ms/ })
  t.match(await causeOf({ port: silent }, { ...hasty, tls: TLS }), { message: /does not answer TLS within 50 ms/ })
  const babbles = await listen(t, socket => socket.write(`+${'x'.repeat(100_000)}`))
  t.match(await causeOf({ port: babbles }), { message: /is no Redis/ })
  // It repeats what it was sent, as old servers do.
  const echo = `-ERR unknown command 'AUTH', with args beginning with: '${PASSWORD}'\r\n`
  const parrot = await listen(t, socket => socket.on('data', () => socket.write(echo.repeat(3))))
  const { message, fix, stack } = await causeOf({ port: parrot }, { login: { username: null, password: PASSWORD } })
  t.match(message, /lacks a command/)
  t.notMatch(`${message} ${fix} ${stack}`, PASSWORD)
})

t.test(
  'a Redis that lets nobody in says which of user, password, rights or number is wrong',
  WITHOUT_REDIS,
  async t => {
    const { port } = await startRedis(t, [
      ...['--requirepass', PASSWORD, '--user', 'poor', 'on', `>${PASSWORD}`, '-@all', '+client']
    ])
    const login = (password: string, username: string | null = null) => ({ login: { username, password } })
    t.match(await causeOf({ port }), { message: 'the store asks for a password, and none is configured' })
    for (const how of [login('wrong'), login('wrong', 'poor'), login(PASSWORD, 'nobody')]) {
      const { message, fix } = await causeOf({ port }, how)
      t.equal(message, 'the store refuses the user or the password')
      t.notMatch(message + fix, /wrong|nobody/)
    }
    t.match(await causeOf({ port }, login(PASSWORD, 'poor')), { message: 'the user of the store lacks rights' })
    const wrong = await causeOf({ port }, { ...login(PASSWORD), database: 99 })
    t.equal(wrong.message, 'the store has no database of this number')
    const { socket, replies } = await dial({ host: '127.0.0.1', port }, { ...HOW, ...login(PASSWORD), database: 3 }, [
      ['SET', 'ключ', 'значение'],
      ['GET', 'ключ'],
      ['MGET', 'ключ', 'none']
    ])
    socket.destroy()
    t.strictSame(replies.length, 3)
    t.equal(Buffer.from(String(replies[1]), 'latin1').toString(), 'значение')
    t.strictSame((replies[2] as unknown[])[1], null)
  }
)

t.test('a password that the store does not ask for opens it all the same', WITHOUT_REDIS, async t => {
  const { port } = await startRedis(t)
  const { socket } = await dial({ host: '127.0.0.1', port }, { ...HOW, login: { username: null, password: 'x' } })
  socket.destroy()
  t.pass()
})

t.test('TLS: names are checked as names, and what is wrong with a certificate is said', WITHOUT_REDIS, async t => {
  const named = makeCertificate(t, 'DNS:localhost')
  const files = [
    '--tls-cert-file',
    named.certFile,
    '--tls-key-file',
    named.keyFile,
    '--tls-ca-cert-file',
    named.certFile
  ]
  const [port, strictPort] = [await freePort(), await freePort()]
  const plain = await startRedis(t, [...files, '--tls-port', String(port), '--tls-auth-clients', 'no'])
  await startRedis(t, [...files, '--tls-port', String(strictPort), '--tls-auth-clients', 'yes'])
  const tls = (more: Partial<StoreTls> = {}) => ({ tls: { ...TLS, ca: named.cert, ...more } })
  const host = 'localhost'
  const opens = async (to: { host: string; port: number }, how: Partial<Dialing>) => {
    const { socket } = await dial(to, { ...HOW, ...how })
    socket.destroy()
    t.pass()
  }
  await opens({ host, port }, tls())
  await opens({ host: '127.0.0.1', port }, tls({ serverName: 'localhost' }))
  await opens({ host, port: strictPort }, tls({ cert: named.cert, key: named.key }))
  t.match(await causeOf({ host, port }, { tls: TLS }), {
    message: /authority that is not trusted here/,
    fix: /store\.ca/
  })
  t.match(await causeOf({ port }, tls()), { message: /is for other names/, fix: /server_name/ })
  t.match(await causeOf({ host, port: strictPort }, tls()), { message: /certificate/, fix: /store\.cert/ })
  t.match(await causeOf({ host, port }), { fix: /rediss:\/\// })
  t.match(await causeOf({ port: plain.port }, { ...tls(), timeoutMs: 300 }), { message: /TLS/, fix: /TLS/ })
})
