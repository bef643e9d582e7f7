import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, closeSync, constants, existsSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs'
import { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { startEngine } from '../helpers/engine.ts'
import { NEVER_SHEDS, runGate } from '../helpers/gate-process.ts'
import { makeKey, signWith } from '../helpers/issuer.ts'
import { freePort } from '../helpers/ports.ts'

const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url))
const SHIPPED = readFileSync(new URL('../../config/logrotate.conf', import.meta.url), 'utf8')
const ISSUER = 'https://idp.example.com'
const { O_NONBLOCK, O_RDONLY, O_WRONLY } = constants

async function scene(t: Test, to: string) {
  const engine = await startEngine(t)
  const key = makeKey()
  const dir = t.testdir({ 'jwks.json': JSON.stringify({ keys: [key.publicJwk] }) })
  const [port, adminPort] = [await freePort(), await freePort()]
  const file = `${dir}/tollgate.yaml`
  writeFileSync(
    file,
    `server: { listen: "127.0.0.1:${port}", drain: { accept: 0s, timeout: 300ms }, ${NEVER_SHEDS} }
admin: { listen: "127.0.0.1:${adminPort}" }
issuers: [{ issuer: "${ISSUER}", jwks_file: jwks.json, audience: inference }]
pools: { p: { engine: vllm, targets: ["${engine.origin}"], models: [m] } }
teams: { team-a: { pool: p } }
audit: { to: ${to} }
`
  )
  const token = await signWith(key, { iss: ISSUER })
  const ask = async (id: string) => {
    const answer = await fetch(`http://127.0.0.1:${port}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'x-request-id': id },
      body: JSON.stringify({ model: 'm', messages: [] })
    })
    return { status: answer.status, id: answer.headers.get('x-request-id') ?? '' }
  }
  const admin = async (path: string) => await fetch(`http://127.0.0.1:${adminPort}${path}`)
  return { dir, file, ask, admin }
}

/** A pipe that is full, and that nobody reads. */
function fullPipe(path: string): { reader: number; writer: number } {
  execFileSync('mkfifo', [path])
  const reader = openSync(path, O_RDONLY | O_NONBLOCK)
  const filler = openSync(path, O_WRONLY | O_NONBLOCK)
  try {
    for (;;) writeSync(filler, `${'x'.repeat(4095)}\n`)
  } catch {
    closeSync(filler)
  }
  return { reader, writer: openSync(path, 'w') }
}

t.test('nobody reads stdout and stderr: calls and probes are answered, and SIGTERM ends the process', async t => {
  const { dir, file, ask, admin } = await scene(t, 'stdout')
  const [out, err] = [fullPipe(`${dir}/out`), fullPipe(`${dir}/err`)]
  const child = spawn(process.execPath, [CLI, 'serve', '--config', file], { stdio: ['ignore', out.writer, err.writer] })
  t.teardown(() => child.kill('SIGKILL'))
  for (const fd of [out.writer, err.writer]) closeSync(fd)
  while ((await admin('/readyz').catch(() => null))?.status !== 200) await new Promise(wake => setTimeout(wake, 20))
  for (let n = 0; n < 5; n++) t.equal((await ask('')).status, 200)
  t.equal((await admin('/livez')).status, 200)
  t.match(await (await admin('/metrics')).text(), /^tollgate_log_held_bytes\{log="operator"\} [1-9]/m)

  const lines: string[] = []
  createInterface(new Socket({ fd: err.reader, writable: false })).on('line', text => lines.push(text))
  const endMs = performance.now() + 10_000
  while (!lines.some(text => text.includes('the gate is open')) && performance.now() < endMs) {
    await new Promise(wake => setTimeout(wake, 20))
  }
  t.ok(
    lines.some(text => text.includes('the gate is open')),
    'what was held comes when somebody reads'
  )

  const stoppedMs = performance.now()
  child.kill('SIGTERM')
  t.strictSame(await once(child, 'exit'), [0, null])
  t.ok(performance.now() - stoppedMs < 5_000)
  closeSync(out.reader)
})

const noLogrotate = spawnSync('logrotate', ['--version']).error !== undefined && 'logrotate is not installed'

t.test('the shipped logrotate file moves the audit log on, and no line is lost', { skip: noLogrotate }, async t => {
  const { dir, file, ask, admin } = await scene(t, 'audit.log')
  const log = `${dir}/audit.log`
  const gate = runGate(t, ['serve', '--config', file])
  await gate.says('keys are in use')
  // logrotate leaves folders alone that others may write.
  chmodSync(dir, 0o755)
  const rotate = () => {
    const rules = SHIPPED.replace('/var/log/tollgate/audit.log', log).replace(
      /systemctl.*/,
      `kill -HUP ${gate.child.pid}`
    )
    writeFileSync(`${dir}/logrotate.conf`, rules, { mode: 0o600 })
    execFileSync('logrotate', ['--force', '--state', `${dir}/state`, `${dir}/logrotate.conf`])
  }
  const asked: string[] = []
  const call = async () => asked.push((await ask('')).id)
  await call()
  while (!existsSync(log) || readFileSync(log, 'utf8') === '') await new Promise(wake => setTimeout(wake, 5))
  rotate()
  await gate.says('audit log reopened')
  await gate.says('the configuration was loaded anew')
  await call()
  t.match(await (await admin('/readyz')).json(), { status: 'ready' })
  gate.child.kill('SIGTERM')
  t.equal(await gate.exit, 0)
  const ids = (path: string) =>
    readFileSync(path, 'utf8')
      .trimEnd()
      .split('\n')
      .map(text => JSON.parse(text)['http.request.id'])
  t.strictSame([...ids(`${log}.1`), ...ids(log)], asked)
})
