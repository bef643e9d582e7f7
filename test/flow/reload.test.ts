import { mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import t, { type Test } from 'tap'
import { type EngineDouble, startEngine } from '../helpers/engine.ts'
import { freePort, type GateProcess, runGate } from '../helpers/gate-process.ts'
import { makeKey, signWith } from '../helpers/issuer.ts'

const ISSUER = 'https://idp.example.com'

interface Scene {
  readonly a: EngineDouble
  readonly b: EngineDouble
  readonly dir: string
  readonly file: string
  readonly adminUrl: string
  /** The file, with the pool of the team and whatever else. */
  text(pool: string, more?: string): string
  ask(body?: object): Promise<Response>
  readonly port: number
  /** Of one token, signed once. */
  readonly authorization: string
  /** From which engine an answer came, by the number of requests that each has had. */
  servedBy(): Promise<'a' | 'b'>
}

/** Two engines in two pools; the file says which of them the team has. */
async function scene(t: Test): Promise<Scene> {
  const [a, b, key] = [await startEngine(t), await startEngine(t), makeKey()]
  const dir = t.testdir({ 'jwks.json': JSON.stringify({ keys: [key.publicJwk] }) })
  const [port, adminPort] = [await freePort(), await freePort()]
  const file = `${dir}/tollgate.yaml`
  const text = (
    pool: string,
    more = ''
  ) => `server: { listen: "127.0.0.1:${port}", drain: { accept: 300ms, timeout: 5s } }
admin: { listen: "127.0.0.1:${adminPort}" }
issuers: [{ issuer: "${ISSUER}", jwks_file: ${dir}/jwks.json, audience: inference }]
pools: { a: { engine: vllm, targets: ["${a.origin}"], models: [m] }, b: { engine: vllm, targets: ["${b.origin}"], models: [m] } }
teams: { team-a: { pool: ${pool} } }
audit: { to: ${dir}/audit.log }
${more}`
  writeFileSync(file, text('a'))
  const authorization = `Bearer ${await signWith(key, { iss: ISSUER })}`
  const ask = async (body: object = {}) =>
    await fetch(`http://127.0.0.1:${port}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'm', messages: [], ...body })
    })
  return {
    a,
    b,
    dir,
    file,
    text,
    ask,
    port,
    authorization,
    adminUrl: `http://127.0.0.1:${adminPort}`,
    async servedBy() {
      const before = (await a.requests()).length
      const answer = await ask()
      await answer.text()
      if (answer.status !== 200) throw new Error(`status ${answer.status}`)
      return (await a.requests()).length > before ? 'a' : 'b'
    }
  }
}

async function open(t: Test, s: Scene, args: readonly string[] = []): Promise<GateProcess> {
  const gate = runGate(t, ['serve', '--config', s.file, ...args])
  await gate.says('the gate is open')
  await gate.says('keys are in use')
  return gate
}

/** As editors and ConfigMaps do it: the file is another one at once. */
function replace(file: string, text: string): void {
  writeFileSync(`${file}.new`, text)
  renameSync(`${file}.new`, file)
}

t.test('on SIGHUP new requests follow the new file; a stream that runs ends under the old one', async t => {
  const s = await scene(t)
  const gate = await open(t, s)
  await s.a.script({ kind: 'sse', events: ['data: 1\n\n'], after: 'hang' })
  const running = await s.ask({ stream: true })
  const reader = running.body?.getReader()
  await reader?.read()
  await s.a.script({ kind: 'echo' })
  t.equal(await s.servedBy(), 'a')
  replace(s.file, s.text('b'))
  gate.child.kill('SIGHUP')
  await gate.says('the configuration was loaded anew')
  t.match(gate.stderr(), /teams\.team-a\.pool \\"a\\" → \\"b\\"/)
  t.equal(await s.servedBy(), 'b')
  t.equal((await s.a.connections()) > 0, true, 'the stream is there')
  await reader?.cancel()
})

t.test('a change of the file is followed by itself, also behind the links of a ConfigMap', async t => {
  const s = await scene(t)
  // A mounted ConfigMap: tollgate.yaml → ..data/tollgate.yaml, ..data → a folder that is swapped.
  const mount = `${s.dir}/mount`
  const put = (version: string, text: string) => {
    mkdirSync(`${mount}/..${version}`, { recursive: true })
    writeFileSync(`${mount}/..${version}/tollgate.yaml`, text)
    symlinkSync(`..${version}`, `${mount}/..data_tmp`)
    renameSync(`${mount}/..data_tmp`, `${mount}/..data`)
  }
  put('1', s.text('a'))
  symlinkSync('..data/tollgate.yaml', `${mount}/tollgate.yaml`)
  const gate = await open(t, { ...s, file: `${mount}/tollgate.yaml` })
  t.equal(await s.servedBy(), 'a')
  put('2', s.text('b'))
  await gate.says('the configuration was loaded anew')
  t.equal(await s.servedBy(), 'b')
})

t.test('a faulty file changes nothing, is told of in the words of check, and shows until it is mended', async t => {
  const s = await scene(t)
  const gate = await open(t, s)
  replace(s.file, s.text('nowhere').replace('engine: vllm', 'engine: vlm'))
  gate.child.kill('SIGHUP')
  await gate.says('the last good one stays')
  t.match(gate.stderr(), /did you mean/)
  t.match(gate.stderr(), /no pool is named/)
  t.equal(await s.servedBy(), 'a')
  const ready = await fetch(`${s.adminUrl}/readyz`)
  t.equal(ready.status, 200)
  const { checks } = (await ready.json()) as { checks: { name: string; detail: { lastReload: object } }[] }
  t.match(checks.find(check => check.name === 'configuration')?.detail.lastReload, {
    ok: false,
    faults: [/vlm|engine/]
  })
  const refused = await fetch(`${s.adminUrl}/-/reload`, { method: 'POST' })
  t.equal(refused.status, 422)
  t.match(await refused.json(), { ok: false, faults: [{ line: Number, message: String }] })
  replace(s.file, s.text('b'))
  const mended = await fetch(`${s.adminUrl}/-/reload`, { method: 'POST' })
  t.equal(mended.status, 200)
  t.match(await mended.json(), { ok: true, changes: [{ path: 'teams.team-a.pool', needsRestart: false }] })
  t.equal(await s.servedBy(), 'b')
})

t.test('keys that need a restart are named, the others are followed', async t => {
  const s = await scene(t)
  const gate = await open(t, s)
  replace(s.file, s.text('b').replace(`${s.dir}/audit.log`, `${s.dir}/other.log`))
  const answer = await fetch(`${s.adminUrl}/-/reload`, { method: 'POST' })
  t.match(await answer.json(), { changes: [{ path: 'teams.team-a.pool' }, { path: 'audit.to', needsRestart: true }] })
  await gate.says('need a restart')
  t.equal(await s.servedBy(), 'b')
  const { config } = (await (await fetch(`${s.adminUrl}/-/config`)).json()) as { config: { teams: object } }
  t.match(config.teams, { 'team-a': { pool: 'b' } })
})

t.test('under load, fifty reloads lose no request', async t => {
  const s = await scene(t)
  await s.a.script({ kind: 'json', body: {} })
  await s.b.script({ kind: 'json', body: {} })
  await open(t, s)
  let isDone = false
  const statuses = new Map<number | string, number>()
  const caller = async () => {
    while (!isDone) {
      const status = await s.ask().then(
        async answer => {
          await answer.text()
          return answer.status
        },
        (err: Error) => String(err)
      )
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
    }
  }
  const callers = Array.from({ length: 8 }, caller)
  for (let i = 0; i < 50; i++) {
    replace(s.file, s.text(i % 2 === 0 ? 'b' : 'a'))
    t.equal((await fetch(`${s.adminUrl}/-/reload`, { method: 'POST' })).status, 200)
  }
  isDone = true
  await Promise.all(callers)
  t.strictSame([...statuses.keys()], [200], JSON.stringify([...statuses]))
})

t.test('a second gate takes over the ports: no request is lost while the first one ends', async t => {
  const s = await scene(t)
  await s.a.script({ kind: 'json', body: {} })
  const first = await open(t, s)
  const mistaken = runGate(t, ['serve', '--config', s.file])
  t.equal(await mistaken.exit, 1)
  t.match(mistaken.stderr(), /is in use by another program/)

  await s.a.script({ kind: 'sse', events: ['data: 1\n\n', 'data: [DONE]\n\n'], gapMs: 800 })
  const streaming = await s.ask({ stream: true })
  await s.a.script({ kind: 'json', body: {} })
  let isDone = false
  const outcomes = new Map<string, number>()
  const callers = Array.from({ length: 4 }, async () => {
    while (!isDone) {
      const outcome = await fresh(s)
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
    }
  })
  const second = await open(t, s, ['--take-over'])
  first.child.kill('SIGTERM')
  t.equal(await first.exit, 0)
  for (let i = 0; i < 20; i++) t.equal(await fresh(s), '200')
  isDone = true
  await Promise.all(callers)
  t.strictSame([...outcomes.keys()], ['200'], JSON.stringify([...outcomes]))
  t.match(await streaming.text(), /\[DONE\]/, 'what streamed through the first one came to its end')
  second.child.kill('SIGINT')
  t.equal(await second.exit, 0)
  t.notMatch(readFileSync(`${s.dir}/audit.log`, 'utf8'), 'SHUTDOWN')
})

t.test('after SIGTERM the gate is not ready at once, and accepts for a while', async t => {
  const s = await scene(t)
  await s.a.script({ kind: 'json', body: {} })
  const gate = await open(t, s)
  gate.child.kill('SIGTERM')
  await gate.says('draining')
  t.equal((await fetch(`${s.adminUrl}/readyz`)).status, 503)
  t.equal(await fresh(s), '200')
  t.equal(await gate.exit, 0)
})

/**
 * A call over a connection of its own, made once more when it is reset before a byte of an answer, as every client library
 * does: without `net.ipv4.tcp_migrate_req` the kernel resets what waits at a listener in the moment in which it closes.
 * @returns its status, or what went wrong
 */
async function fresh(s: Scene): Promise<string> {
  const outcome = await callOnce(s)
  return outcome.includes('ECONNRESET') ? await callOnce(s) : outcome
}

async function callOnce({ port, authorization }: Scene): Promise<string> {
  return await new Promise(resolve => {
    const call = request(
      {
        host: '127.0.0.1',
        port,
        path: '/v1/chat/completions',
        method: 'POST',
        agent: false,
        headers: { authorization, 'content-type': 'application/json' }
      },
      answer => {
        answer.resume()
        answer.once('end', () => resolve(String(answer.statusCode)))
        answer.once('error', err => resolve(String(err)))
      }
    )
    call.once('error', err => resolve(String(err)))
    call.end('{"model":"m","messages":[]}')
  })
}
