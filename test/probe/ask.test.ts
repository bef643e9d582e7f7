import t from 'tap'
import { createAsk, SAFE_METHOD } from '../../src/probe/ask.ts'
import { freePort } from '../helpers/ports.ts'
import { listen } from './double.ts'

const init = { ca: null, cert: null, key: null, apiKey: 'secret', timeoutMs: 5_000 }

t.test('the key goes only where it is meant to, each question on a connection of its own', async t => {
  const seen: [string, string | undefined, string | undefined][] = []
  const origin = await listen(t, (request, response) => {
    seen.push([`${request.method} ${request.url}`, request.headers.authorization, request.headers.connection])
    response.end('{}')
  })
  const ask = createAsk({ ...init, origin })
  t.match(await ask({ method: 'GET', path: '/a', withKey: true, maxBytes: 9 }), { ok: true, status: 200, isCut: false })
  await ask({ method: SAFE_METHOD, path: '/b', withKey: false })
  await createAsk({ ...init, apiKey: null, origin })({ method: 'GET', path: '/c', withKey: true })
  t.strictSame(seen, [
    ['GET /a', 'Bearer secret', 'close'],
    ['PROPFIND /b', undefined, 'close'],
    ['GET /c', undefined, 'close']
  ])
})

t.test('a path is never read as another host', async t => {
  const paths: unknown[] = []
  const origin = await listen(t, (request, response) => {
    paths.push(request.url)
    response.end()
  })
  await createAsk({ ...init, origin })({ method: 'GET', path: '//other.example/x', withKey: true })
  t.strictSame(paths, ['//other.example/x'])
})

t.test('a redirect is an answer, and where it points is not asked', async t => {
  const paths: unknown[] = []
  const origin = await listen(t, (request, response) => {
    paths.push(request.url)
    response.writeHead(307, { location: '/b' }).end()
  })
  t.match(await createAsk({ ...init, origin })({ method: 'GET', path: '/a', withKey: true }), { status: 307 })
  t.strictSame(paths, ['/a'])
})

t.test('no more is kept of an answer than was asked for', async t => {
  const origin = await listen(t, (_request, response) => response.end('x'.repeat(100)))
  const ask = createAsk({ ...init, origin })
  t.match(await ask({ method: 'GET', path: '/', withKey: false, maxBytes: 99 }), { ok: true, isCut: true })
  t.match(await ask({ method: 'GET', path: '/', withKey: false, maxBytes: 100 }), { ok: true, isCut: false })
})

t.test('silence, absence and a broken answer are told apart', async t => {
  const silent = await listen(t, () => {})
  const broken = await listen(t, (request, response) => {
    response.writeHead(200, { 'content-length': '100' })
    response.write('x', () => request.socket.destroy())
  })
  const of = (origin: string, timeoutMs = 5_000) =>
    createAsk({ ...init, origin, timeoutMs })({ method: 'GET', path: '/', withKey: false, maxBytes: 1000 })
  t.match(await of(silent, 50), { ok: false, why: 'late' })
  t.match(await of(`http://127.0.0.1:${await freePort()}`), { ok: false, why: 'unreachable', cause: 'ECONNREFUSED' })
  t.match(await of(broken), { ok: false, why: 'unreachable' })
  t.match(await of(silent.replace('http:', 'https:'), 50), { ok: false })
})

t.test('a server that speaks no TLS is no trusted connection, and hears no request', async t => {
  let hits = 0
  const origin = await listen(t, () => hits++)
  const reply = await createAsk({ ...init, origin: origin.replace('http:', 'https:') })({
    method: 'GET',
    path: '/',
    withKey: true
  })
  t.match(reply, { ok: false, why: 'tls' })
  t.equal(hits, 0)
})
