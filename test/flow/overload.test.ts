import { writeFileSync } from 'node:fs'
import { request } from 'node:https'
import t, { type Test } from 'tap'
import { makeCertificate } from '../helpers/certificate.ts'
import { runGate } from '../helpers/gate-process.ts'
import { freePort } from '../helpers/ports.ts'
import { openRaw } from '../helpers/raw.ts'
import { lineOf, world } from '../helpers/world.ts'

const CHAT = '/v1/chat/completions'
const BODY = { model: 'm', messages: [{ role: 'user', content: 'x' }] }

/** The gate runs in this process: what keeps its event loop late is here too. */
function hog(t: Test, ms: number): () => void {
  const clock = setInterval(() => {
    for (const end = performance.now() + ms; performance.now() < end; );
  }, 1)
  t.teardown(() => clearInterval(clock))
  return () => clearInterval(clock)
}

const yamlOf =
  (server: string) =>
  ({ engine, issuer }: { engine: string; issuer: string }) =>
    `
server: { ${server} }
issuers: [{ issuer: "${issuer}", jwks_url: "${issuer}/jwks.json", audience: inference }]
pools: { p: { engine: vllm, targets: ["${engine}"], models: [m] } }
teams: { team-a: { pool: p } }
`

t.test('a gate that is late lets in whose token it remembers, turns others away, and says so', async t => {
  const w = await world(t, { yaml: yamlOf('overload: { delay: 120ms }') })
  const { overload } = w.built.app
  const until = (level: string) =>
    new Promise<void>(resolve => {
      overload.onLevel(now => {
        if (now === level) resolve()
      })
    })
  await w.engine.script({ kind: 'serve', events: 1 })
  const known = await w.issuer.sign()
  const stranger = await w.issuer.sign({ sub: 'u-2' })
  t.equal((await w.ask(CHAT, { token: known, body: BODY })).status, 200)

  const shed = until('shed_new')
  const stop = hog(t, 200)
  await shed
  const refused = await w.ask(CHAT, { token: stranger, body: BODY })
  t.equal(refused.status, 503)
  t.equal(refused.headers.get('retry-after'), '2')
  t.equal(refused.headers.get('x-should-retry'), 'true')
  t.match(await refused.json(), { error: { code: 'server_overloaded', type: 'server_error' } })
  t.match(await lineOf(w, refused.headers.get('x-request-id')), {
    'tollgate.code': 'TOLLGATE_AUTHENTICATE_OVERLOADED'
  })
  t.equal((await w.ask(CHAT, { token: known, body: BODY })).status, 200)
  t.equal((await w.ask(CHAT, { token: null, body: BODY })).status, 401, 'who has no token is told so')
  t.match(
    w.built.checks().find(({ name }) => name === 'load'),
    { ok: true, detail: { level: 'shed_new', bodies: { heldBytes: 0 } } }
  )

  const calm = until('normal')
  stop()
  await calm
  t.equal((await w.ask(CHAT, { token: stranger, body: BODY })).status, 200)
  const said = w.log.map(line => JSON.parse(line)).filter(({ level }) => level === 'shed_new' || level === 'normal')
  t.strictSame(
    said.map(({ msg }) => msg),
    ['the gate has too much to do: not everybody is let in', 'everybody is let in again'],
    'once for each change, not for each refusal'
  )
  t.equal((await w.engine.requests()).length, 3)
})

t.test('a gate that is very late lets nobody in, and what runs goes on to its end', async t => {
  const w = await world(t, { yaml: yamlOf('overload: { delay: 60ms }') })
  const { overload } = w.built.app
  await w.engine.script({ kind: 'serve', events: 3, isHeld: true })
  const token = await w.issuer.sign()
  const running = await w.ask(CHAT, { token, body: { ...BODY, stream: true } })
  t.equal(running.status, 200)
  const shed = new Promise<void>(resolve => {
    overload.onLevel(level => {
      if (level === 'shed_all') resolve()
    })
  })
  const stop = hog(t, 400)
  await shed
  const refused = await w.ask(CHAT, { token, body: BODY })
  t.equal(refused.status, 503)
  t.match(await refused.json(), { error: { code: 'server_overloaded' } })
  t.match(await lineOf(w, refused.headers.get('x-request-id')), { 'tollgate.code': 'TOLLGATE_ACCEPT_OVERLOADED' })
  await w.engine.release()
  t.match(await running.text(), /data: \[DONE\]\n\n$/)
  stop()
})

t.test('what was queued while the host stopped the gate is served, however often it does', async t => {
  const [port, adminPort] = [await freePort(), await freePort()]
  const file = `${t.testdir()}/tollgate.yaml`
  writeFileSync(
    file,
    `
server: { listen: 127.0.0.1:${port}, overload: { delay: 120ms } }
admin: { listen: 127.0.0.1:${adminPort} }
issuers: [{ issuer: i, audience: a, jwks_url: "http://127.0.0.1:1/jwks.json" }]
pools: { p: { engine: vllm, targets: ["http://127.0.0.1:1"], models: [m] } }
teams: { team-a: { pool: p } }
`
  )
  const gate = runGate(t, ['serve', '--config', file])
  await gate.says('the gate is open')
  const statuses = new Set<number>()
  for (let round = 0; round < 4; round++) {
    gate.child.kill('SIGSTOP')
    const asked = Array.from({ length: 20 }, () => fetch(`http://127.0.0.1:${port}/v1/models`))
    await new Promise(resolve => setTimeout(resolve, 700))
    gate.child.kill('SIGCONT')
    // Without a token it is refused by a room that only those reach who are let in.
    for (const { status } of await Promise.all(asked)) statuses.add(status)
    await new Promise(resolve => setTimeout(resolve, 120))
  }
  t.strictSame([...statuses], [401])
  t.notMatch(gate.stderr(), /shed_/)
})

t.test('with TLS, a late gate takes no new connection, and those that are there go on', async t => {
  const own = makeCertificate(t)
  const w = await world(t, {
    yaml: yamlOf(`overload: { delay: 120ms }, tls: { cert: ${own.certFile}, key: ${own.keyFile} }`)
  })
  await w.engine.script({ kind: 'serve', events: 1 })
  const { Agent } = await import('node:https')
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  const token = await w.issuer.sign()
  const call = (on: InstanceType<typeof Agent> | false) =>
    new Promise<number | string>(resolve => {
      const asked = request(
        {
          host: '127.0.0.1',
          port: w.port,
          path: CHAT,
          method: 'POST',
          agent: on,
          ca: own.cert,
          headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
        },
        answer => {
          answer.resume()
          answer.once('end', () => resolve(answer.statusCode ?? 0))
        }
      )
      asked.once('error', (err: NodeJS.ErrnoException) => resolve(err.code ?? err.message))
      asked.end(JSON.stringify(BODY))
    })
  t.equal(await call(agent), 200)
  const { overload } = w.built.app
  const until = (level: string) =>
    new Promise<void>(resolve => {
      overload.onLevel(now => {
        if (now === level) resolve()
      })
    })
  const shed = until('shed_new')
  const stop = hog(t, 200)
  await shed
  t.equal(await call(false), 'ECONNRESET')
  t.equal(await call(agent), 200)
  const calm = until('normal')
  stop()
  await calm
  t.equal(await call(false), 200)
})

t.test(
  'long bodies that would take too much memory together are turned away; short and later ones are not',
  async t => {
    // A quarter is for bodies: 256 MiB. Callers write one and the same body, so that it is the gate's memory that counts.
    const w = await world(t, {
      yaml: at => `${yamlOf('overload: { memory: 1GiB, delay: 60s }')(at)}\nrequests: { body: { text: 16MiB } }\n`
    })
    await w.engine.script({ kind: 'held' })
    const token = await w.issuer.sign()
    const body = Buffer.from(JSON.stringify({ ...BODY, messages: [{ role: 'user', content: 'x'.repeat(8_000_000) }] }))
    const head = `POST ${CHAT} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`
    const send = async () => {
      const socket = await openRaw(w.port)
      socket.on('error', () => {})
      t.teardown(() => socket.destroy())
      const status = new Promise<string>(resolve => {
        socket.once('data', piece => resolve(piece.toString('latin1', 9, 12)))
        socket.once('close', () => resolve('closed'))
      })
      socket.write(head)
      socket.write(body)
      return status
    }
    const asked = Array.from({ length: 38 }, send)
    t.equal(await Promise.race(asked), '503')
    t.match(await w.audit(), { 'tollgate.code': 'TOLLGATE_INSPECT_OVERLOADED' })
    t.ok(w.built.app.bodies.heldBytes <= w.built.app.bodies.limitBytes + 64 * 1024)
    const short = w.ask(CHAT, { token, body: BODY })
    await w.engine.waitFor('request', 25)
    await w.engine.script({ kind: 'echo' })
    await w.engine.release()
    t.equal((await short).status, 200)
    const statuses = await Promise.all(asked)
    t.ok(statuses.filter(status => status === '200').length >= 20, String(statuses))
    // What is garbage by now may count for a moment.
    while ((await send()) !== '200');
    t.equal(w.built.app.bodies.heldBytes, 0)
  }
)
