import { execFileSync } from 'node:child_process'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { connect as connectTls } from 'node:tls'
import t, { type Test } from 'tap'
import { startEngine } from '../helpers/engine.ts'
import { type GateProcess, NEVER_SHEDS, runGate } from '../helpers/gate-process.ts'
import { makeKey, signWith } from '../helpers/issuer.ts'
import { freePort } from '../helpers/ports.ts'
import { callRealtime } from '../helpers/realtime-caller.ts'
import { startRealtimeEngine } from '../helpers/realtime-engine.ts'

const ISSUER = 'https://idp.example.com'

async function scene(t: Test, more = '', origin?: string) {
  const engine = await startEngine(t)
  const key = makeKey()
  const dir = t.testdir({ 'jwks.json': JSON.stringify({ keys: [key.publicJwk] }) })
  const [port, adminPort] = [await freePort(), await freePort()]
  const file = `${dir}/tollgate.yaml`
  writeFileSync(
    file,
    `server: { listen: "127.0.0.1:${port}", drain: { accept: 0s, timeout: 300ms }, ${NEVER_SHEDS}${more} }
admin: { listen: "127.0.0.1:${adminPort}" }
issuers: [{ issuer: "${ISSUER}", jwks_file: jwks.json, audience: inference }]
pools: { p: { engine: vllm, targets: ["${origin ?? engine.origin}"], models: [m] } }
teams: { team-a: { pool: p } }
audit: { to: audit.log }
access: { routes: [{ method: GET, path: /v1/realtime, scope: "task:realtime" }] }
`
  )
  const ask = async (body: object = {}) =>
    await fetch(`http://127.0.0.1:${port}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${await signWith(key, { iss: ISSUER })}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'm', messages: [], ...body })
    })
  const sign = async (claims: object) => await signWith(key, { iss: ISSUER, ...claims })
  return { engine, dir, file, port, adminPort, ask, sign }
}

/** Listening, and with keys to judge tokens by. */
async function isOpen(gate: GateProcess): Promise<void> {
  await gate.says('the gate is open')
  await gate.says('keys are in use')
}

t.test('the gate opens, is alive and ready, serves, and ends with 0 on SIGTERM', async t => {
  const { file, adminPort, ask, dir } = await scene(t)
  const gate = runGate(t, ['serve', '--config', file])
  await isOpen(gate)
  for (const path of ['livez', 'readyz']) t.equal((await fetch(`http://127.0.0.1:${adminPort}/${path}`)).status, 200)
  t.equal((await ask()).status, 200)
  gate.child.kill('SIGTERM')
  t.equal(await gate.exit, 0)
  t.match(readFileSync(`${dir}/audit.log`, 'utf8'), /"http.response.status_code":200/)
})

t.test('a session that outlives the drain is told so, and does not keep the gate', async t => {
  const speech = await startRealtimeEngine(t)
  const { file, port, sign, dir } = await scene(t, '', speech.origin)
  const gate = runGate(t, ['serve', '--config', file])
  await isOpen(gate)
  const token = await sign({ scopes: ['infer:multimodal', 'task:realtime'] })
  const caller = await callRealtime(t, `http://127.0.0.1:${port}/v1/realtime`, token)
  await caller.next()
  gate.child.kill('SIGTERM')
  t.match(await caller.next(), { type: 'error', error: { code: 'server_shutdown' } })
  t.equal(await caller.closed, 1012)
  t.equal(await gate.exit, 0)
  t.match(readFileSync(`${dir}/audit.log`, 'utf8'), /TOLLGATE_FORWARD_SHUTDOWN/)
})

t.test('a stream that outlives the drain ends with an error event, and its audit line is there', async t => {
  const { engine, file, ask, dir } = await scene(t)
  await engine.script({ kind: 'sse', events: ['data: 1\n\n'], after: 'hang' })
  const gate = runGate(t, ['serve', '--config', file])
  await isOpen(gate)
  const answer = await ask({ stream: true })
  gate.child.kill('SIGTERM')
  t.match(await answer.text(), /^data: 1\n\ndata: \{"error":\{"message":"The gate is shutting down\."/)
  t.equal(await gate.exit, 0)
  t.match(
    readFileSync(`${dir}/audit.log`, 'utf8'),
    /"tollgate.outcome":"broken","tollgate.code":"TOLLGATE_FORWARD_SHUTDOWN"/
  )
})

t.test('a second signal does not wait', async t => {
  const { engine, file, ask } = await scene(t)
  writeFileSync(file, readFileSync(file, 'utf8').replace('300ms', '600s'))
  await engine.script({ kind: 'stall' })
  const gate = runGate(t, ['serve', '--config', file])
  await isOpen(gate)
  const answer = ask()
  answer.catch(() => {})
  await engine.waitFor('request')
  gate.child.kill('SIGINT')
  await gate.says('draining')
  gate.child.kill('SIGINT')
  t.equal(await gate.exit, 0)
})

t.test('an audit log that cannot be opened starts nothing, exit code 1', async t => {
  const { file } = await scene(t)
  writeFileSync(file, readFileSync(file, 'utf8').replace('to: audit.log', 'to: jwks.json/audit.log'))
  const gate = runGate(t, ['serve', '--config', file])
  t.equal(await gate.exit, 1)
  t.match(gate.stderr(), /tollgate: the audit log .*jwks\.json\/audit\.log cannot be opened/)
})

t.test('when nobody reads the audit lines on stdout any more, it is said, and the gate still ends', async t => {
  const { file, ask } = await scene(t)
  writeFileSync(file, readFileSync(file, 'utf8').replace('to: audit.log', 'to: stdout'))
  const gate = runGate(t, ['serve', '--config', file])
  await isOpen(gate)
  gate.child.stdout?.destroy()
  t.equal((await ask()).status, 200)
  await gate.says('the audit log cannot be written')
  gate.child.kill('SIGTERM')
  t.equal(await gate.exit, 0)
})

t.test("a faulty file starts nothing: `check`'s words, exit code 1", async t => {
  const { file } = await scene(t)
  writeFileSync(file, readFileSync(file, 'utf8').replace('vllm', 'vlmm'))
  const gate = runGate(t, ['serve', '--config', file])
  t.equal(await gate.exit, 1)
  t.match(gate.stderr(), /error E205 pools\.p\.engine is "vlmm".*\n.*\n.*did you mean "vllm"\?/)
  t.notMatch(gate.stderr(), /the gate is open/)
})

t.test('a port that is taken is said in one line, exit code 1', async t => {
  const { file, port } = await scene(t)
  const first = runGate(t, ['serve', '--config', file])
  await isOpen(first)
  writeFileSync(
    file,
    readFileSync(file, 'utf8').replace(/admin: .*/, `admin: { listen: "127.0.0.1:${await freePort()}" }`)
  )
  const second = runGate(t, ['serve', '--config', file])
  t.equal(await second.exit, 1)
  t.match(second.stderr(), new RegExp(`127\\.0\\.0\\.1:${port} is in use`))
})

t.test('wrong usage is told, exit code 2', async t => {
  for (const args of [[], ['serve'], ['unknown'], ['explain'], ['serve', '--wrong']]) {
    const gate = runGate(t, args)
    t.equal(await gate.exit, 2, args.join(' '))
    t.match(gate.stderr(), /tollgate/)
  }
})

t.test('TLS: the certificate is shown, and a renewed one as soon as its files change', async t => {
  const { dir, file, port } = await scene(t, ', tls: { cert: cert.pem, key: key.pem }')
  const renew = (name: string) => {
    const args = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=${name}`.split(
      ' '
    )
    execFileSync('openssl', [...args, '-keyout', `${dir}/new-key.pem`, '-out', `${dir}/new-cert.pem`], {
      stdio: 'ignore'
    })
    renameSync(`${dir}/new-key.pem`, `${dir}/key.pem`)
    renameSync(`${dir}/new-cert.pem`, `${dir}/cert.pem`)
  }
  const nameShown = () =>
    new Promise<string>((resolve, reject) => {
      const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
        resolve(String(socket.getPeerCertificate().subject.CN))
        socket.destroy()
      })
      socket.once('error', reject)
    })
  renew('first')
  const gate = runGate(t, ['serve', '--config', file])
  await isOpen(gate)
  t.equal(await nameShown(), 'first')
  renew('second')
  await gate.says('certificate re-read')
  while ((await nameShown()) !== 'second') await new Promise(resolve => setTimeout(resolve, 20))
  writeFileSync(`${dir}/key.pem`, 'broken')
  await gate.says('the last good one stays')
  t.equal(await nameShown(), 'second')
})
