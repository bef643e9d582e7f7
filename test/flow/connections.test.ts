import { readFileSync, writeFileSync } from 'node:fs'
import { get } from 'node:https'
import t, { type Test } from 'tap'
import { makeCertificate } from '../helpers/certificate.ts'
import { openRaw, rawRequest } from '../helpers/raw.ts'
import { RUN, readScrape } from '../helpers/scrape.ts'
import { clientHello, drip, type Stranger, stranger } from '../helpers/strangers.ts'
import { once, open, type Scene, scene } from '../helpers/two-pools.ts'
import { world } from '../helpers/world.ts'

const CHAT = '/v1/chat/completions'
const BODY = '{"model":"m","messages":[]}'

/** A gate that waits for its calls for ten minutes, and its log. */
async function drainingFor10Minutes(t: Test, server = ''): Promise<Scene> {
  const s = await scene(t)
  const text = s
    .text('a')
    .replace('drain: { accept: 300ms, timeout: 5s }', `drain: { accept: 0s, timeout: 600s }${server}`)
  writeFileSync(s.file, text)
  return s
}

/** Everything that a stranger can leave unfinished. */
async function unfinished(t: Test, port: number): Promise<Stranger[]> {
  const hello = await clientHello()
  const all = [
    await stranger(t, port),
    await stranger(t, port, { bytes: '\x16' }),
    await stranger(t, port, { bytes: hello.subarray(0, 60) }),
    await stranger(t, port, { bytes: 'POST / HTTP/1.1\r\nHo' }),
    await stranger(t, port, { bytes: 'POST / HTTP/1.1\r\nHost: a\r\n' })
  ]
  const last = all.at(-1)
  if (last !== undefined) drip(last, 'X: y\r\n', 100)
  return all
}

t.test('strangers who finish nothing do not keep a gate from its end, with TLS and without', async t => {
  const { certFile, keyFile } = makeCertificate(t)
  for (const server of ['', `, tls: { cert: "${certFile}", key: "${keyFile}" }`]) {
    const s = await drainingFor10Minutes(t, server)
    const gate = await open(t, s)
    const strangers = await unfinished(t, s.port)
    // One that has had an answer, and is idle now.
    if (server === '') {
      const idle = await stranger(t, s.port, { bytes: 'GET / HTTP/1.1\r\nHost: a\r\n\r\n' })
      while (!idle.text().includes('401')) await new Promise(setImmediate)
      drip(idle, '\r\n', 50)
      strangers.push(idle)
    } else await new Promise(resolve => get({ port: s.port, path: '/', rejectUnauthorized: false }, resolve))
    const startedMs = performance.now()
    gate.child.kill('SIGTERM')
    t.equal(await gate.exit, 0)
    const tookMs = performance.now() - startedMs
    t.ok(tookMs < 30_000, `after ${Math.round(tookMs)} ms, not by the end of drain.timeout`)
    await Promise.all(strangers.map(({ closed }) => closed))
    if (server !== '') for (const { text } of strangers) t.notMatch(text(), 'HTTP')
  }
})

t.test('bytes that are no HTTP get no answer where a call is still to be answered', async t => {
  const w = await world(t)
  const call = `POST ${CHAT} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${await w.issuer.sign()}\r\nContent-Type: application/json\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`
  await w.engine.script({ kind: 'stall' })
  const pending = await stranger(t, w.port, { bytes: call })
  await w.engine.waitFor('request')
  pending.socket.write('garbage\r\n\r\n')
  await pending.closed
  t.equal(pending.text(), '')
  await w.engine.waitFor('abort')

  await w.engine.script({ kind: 'sse', events: ['data: 1\n\n'], after: 'hang' })
  const { socket, text, closed } = await stranger(t, w.port, { bytes: call })
  while (!text().includes('data: 1')) await new Promise(setImmediate)
  socket.write('garbage\r\n\r\n')
  await closed
  t.notMatch(text(), 'HTTP/1.1 400')
  await w.engine.waitFor('abort', 2)
  t.equal(w.built.app.connectionErrors.counts.get('TOLLGATE_ACCEPT_HEADERS'), 2)
})

t.test('calls that come on one connection without waiting run one after the other', async t => {
  const w = await world(t)
  const auth = `Authorization: Bearer ${await w.issuer.sign()}\r\nContent-Type: application/json\r\n`
  const call = `POST ${CHAT} HTTP/1.1\r\nHost: a\r\n${auth}Content-Length: ${BODY.length}\r\n\r\n${BODY}`
  await w.engine.script({ kind: 'stall' })
  const { socket } = await stranger(t, w.port, { bytes: call.repeat(10) })
  await w.engine.waitFor('request')
  // A call that comes later on another connection is at the engine before the others of the first one.
  const other = await stranger(t, w.port, { bytes: call })
  await w.engine.waitFor('request', 2)
  t.equal((await w.engine.requests()).length, 2)
  for (const one of [socket, other.socket]) one.destroy()
  await w.engine.waitFor('abort', 2)
  t.equal((await w.engine.requests()).length, 2, 'those that waited never began')
})

t.test('whatever is refused before it is known who asks has an address, a line and a number', async t => {
  const w = await world(t, { limits: { headersMs: 200, checkEveryMs: 20 } })
  const head = (lines: string) => `POST ${CHAT} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${lines}\r\n`
  const cases: [string, number, string][] = [
    ['TOLLGATE_ACCEPT_HOST', 400, head('Host: b\r\n')],
    ['TOLLGATE_ACCEPT_HEADERS', 400, head('X_Y: z\r\n')],
    ['TOLLGATE_ACCEPT_EXPECTATION', 417, head('Expect: 200-maybe\r\n')],
    ['TOLLGATE_ACCEPT_METHOD', 405, 'TRACE / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'],
    ['TOLLGATE_ACCEPT_METHOD', 405, 'CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['TOLLGATE_ACCEPT_HEADERS', 400, 'garbage\r\n\r\n'],
    ['TOLLGATE_ACCEPT_HEADERS', 431, head(`X: ${'y'.repeat(17_000)}\r\n`)],
    ['TOLLGATE_ACCEPT_TIMEOUT', 408, 'GET / HTTP/1.1\r\nHo']
  ]
  for (const [code, status, text] of cases)
    t.equal((await rawRequest(w.port, text)).status, status, `${code} ${status}`)
  const lines = await w.audits(cases.length)
  for (const [code] of cases) {
    const of = lines.filter(line => line['tollgate.code'] === code)
    t.equal(of.length, cases.filter(([one]) => one === code).length, code)
    t.ok(
      of.every(line => line['source.ip'] === '127.0.0.1'),
      code
    )
  }
  const { text } = await w.built.metrics.scrape(RUN)
  const scrape = readScrape(text)
  t.equal(scrape.value('tollgate_connection_errors_total', { code: 'TOLLGATE_ACCEPT_HEADERS' }), 2)
  t.equal(scrape.value('tollgate_connection_errors_total', { code: 'TOLLGATE_ACCEPT_METHOD' }), 1)
  t.equal(scrape.value('tollgate_connection_errors_total', { code: 'TOLLGATE_ACCEPT_TIMEOUT' }), 1)
  t.equal(scrape.value('tollgate_errors_total', { code: 'TOLLGATE_ACCEPT_EXPECTATION' }), 1)
})

t.test('a caller who resets a connection that Node has let go of ends no process', async t => {
  const w = await world(t)
  for (const text of [
    'CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n',
    'GET /v1/realtime HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\n\r\n'
  ]) {
    for (let i = 0; i < 20; i++) {
      const { socket, closed } = await stranger(t, w.port, { bytes: text })
      setImmediate(() => socket.resetAndDestroy())
      await closed
    }
  }
  t.equal((await w.ask(CHAT, { body: BODY })).status, 200)
})

t.test('a body that takes too long, or cannot be read, is answered, and its line says so', async t => {
  const w = await world(t, { limits: { headersMs: 300, requestMs: 300, checkEveryMs: 20 } })
  const head = `POST ${CHAT} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${await w.issuer.sign()}\r\nContent-Type: application/json\r\n`
  const late = await rawRequest(w.port, `${head}Content-Length: 99\r\n\r\n{`)
  const broken = await openRaw(w.port)
  t.teardown(() => broken.destroy())
  let text = ''
  broken.on('data', piece => {
    text += String(piece)
  })
  broken.write(`${head}Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n`)
  setTimeout(() => broken.write('zz\r\n'), 50)
  await new Promise(resolve => broken.once('close', resolve))
  t.equal(late.status, 408)
  t.match(text, /^HTTP\/1\.1 400 /)
  t.match(await w.audits(2), [
    { 'tollgate.code': 'TOLLGATE_ACCEPT_TIMEOUT', 'http.response.status_code': 408, 'user.id': 'u-1' },
    { 'tollgate.code': 'TOLLGATE_ACCEPT_HEADERS', 'http.response.status_code': 400, 'user.id': 'u-1' }
  ])
})

t.test(
  'one address that opens more connections than the process has descriptors takes nothing from others',
  async t => {
    const s = await scene(t)
    await s.a.script({ kind: 'json', body: {} })
    const gate = await open(t, s, [], 300)
    await Promise.all(Array.from({ length: 400 }, () => stranger(t, s.port, { localAddress: '127.0.0.3' })))
    await gate.says('per-address connection limit reached')
    for (let i = 0; i < 10; i++) t.equal(await once(s), '200')
    for (const path of ['livez', 'metrics']) t.equal((await fetch(`${s.adminUrl}/${path}`)).status, 200)
    // From many addresses: those that are silent make room.
    for (let address = 4; address < 14; address++)
      await Promise.all(Array.from({ length: 40 }, () => stranger(t, s.port, { localAddress: `127.0.0.${address}` })))
    await gate.says('"connection limit reached"')
    for (let i = 0; i < 10; i++) t.equal(await once(s), '200')
    const scrape = readScrape(await (await fetch(`${s.adminUrl}/metrics`)).text())
    t.ok((scrape.value('tollgate_connections_refused_total', { limit: 'address' }) ?? 0) > 200)
    t.ok((scrape.value('tollgate_connections_refused_total', { limit: 'total' }) ?? 0) > 10)
    t.ok(
      (scrape.value('tollgate_connections', { state: 'head' }) ?? 99) <= (scrape.value('tollgate_connections_max') ?? 0)
    )
    t.notMatch(gate.stderr(), 'EMFILE')
    const lines = readFileSync(`${s.dir}/audit.log`, 'utf8').split('\n')
    t.ok(lines.filter(line => line.includes('TOLLGATE_ACCEPT_CONNECTIONS')).length <= 100)
  }
)
