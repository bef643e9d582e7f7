import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { startEngine } from '../helpers/engine.ts'
import type { Fault } from '../helpers/fault-proxy.ts'
import { type Expected, faultScene } from '../helpers/fault-scene.ts'
import { NEVER_SHEDS, runGate } from '../helpers/gate-process.ts'
import { makeKey, signWith } from '../helpers/issuer.ts'
import { freePort } from '../helpers/ports.ts'

/** What the gate's bytes suffer on their way to the engine, and what its caller then gets. */
interface Cell {
  readonly fault: Fault
  readonly expected: Expected
  /** What the engine can have begun. */
  readonly begun: 0 | 1
  readonly isStrict?: boolean
}

const whole: Expected = { ending: 'whole', code: null }
const refused = (code: string, status = 502): Expected => ({ ending: 'refused', status, code })
const RESET = refused('TOLLGATE_FORWARD_RESET')
const LATE = refused('TOLLGATE_FORWARD_FIRST_BYTE', 504)
/** In the middle of the body. */
const BODY = '"messages"'

const CELLS: readonly Cell[] = [
  { fault: { kind: 'latency', ms: 30 }, expected: whole, begun: 1 },
  { fault: { kind: 'trickle', gapMs: 0 }, expected: whole, begun: 1 },
  { fault: { kind: 'reset', after: 0 }, expected: RESET, begun: 0 },
  { fault: { kind: 'reset', after: BODY }, expected: RESET, begun: 0 },
  // The engine says 400 to what has no end, and its 400 is an answer.
  { fault: { kind: 'half-close', after: BODY }, expected: refused('TOLLGATE_FORWARD_REJECTED', 400), begun: 0 },
  { fault: { kind: 'blackhole', after: 0 }, expected: LATE, begun: 0, isStrict: true },
  { fault: { kind: 'blackhole', after: BODY }, expected: LATE, begun: 0, isStrict: true },
  { fault: { kind: 'garbage', after: 0 }, expected: refused('TOLLGATE_FORWARD_REJECTED', 400), begun: 0 },
  { fault: { kind: 'garbage', after: 'HTTP/1.1\r\n' }, expected: refused('TOLLGATE_FORWARD_REJECTED', 400), begun: 0 }
]

t.test('whatever happens to what the gate says to an engine: nothing is begun twice, and callers are told', async t => {
  const s = await faultScene(t)
  for (const { fault, expected, begun, isStrict = false } of CELLS) {
    for (const isStream of [false, true]) {
      const name = `${JSON.stringify(fault)}, ${isStream ? 'a stream' : 'in one piece'}`
      const before = (await s.engine.requests()).length
      s.engines.set({ toServer: fault })
      await s.check(t, name, await s.call({ isStream, isStrict }), expected)
      t.equal((await s.engine.requests()).length, before + begun, name)
      s.engines.set({})
      s.engines.cut()
      await s.engines.fallsTo(0)
    }
    await s.checkFlat(t, JSON.stringify(fault))
  }
})

t.test(
  'a request that is reset on a used connection before the engine has it is sent once more, on a new one',
  async t => {
    const s = await faultScene(t)
    for (const isStream of [false, true]) {
      await s.call()
      const before = (await s.engine.requests()).length
      s.engines.setOpen({ toServer: { kind: 'reset', after: BODY } })
      await s.check(t, 'a new connection', await s.call({ isStream }), whole)
      t.equal((await s.engine.requests()).length, before + 1)
      s.engines.cut()
    }
    await s.checkFlat(t, 'in the end')
  }
)

/** A gate as operators run it, before an engine that holds its streams, with streams open. */
async function running(t: Test) {
  const engine = await startEngine(t, { script: { kind: 'serve', events: 3, isHeld: true } })
  const key = makeKey()
  const dir = t.testdir({ 'jwks.json': JSON.stringify({ keys: [key.publicJwk] }) })
  const [port, adminPort] = [await freePort(), await freePort()]
  writeFileSync(
    `${dir}/tollgate.yaml`,
    `server: { listen: "127.0.0.1:${port}", ${NEVER_SHEDS} }
admin: { listen: "127.0.0.1:${adminPort}" }
issuers: [{ issuer: "https://idp.example.com", jwks_file: jwks.json, audience: inference }]
pools: { p: { engine: vllm, targets: ["${engine.origin}"], models: [m], health: { every: 1h } } }
teams: { team-a: { pool: p } }
audit: { to: audit.log }
`
  )
  const gate = runGate(t, ['serve', '--config', `${dir}/tollgate.yaml`])
  await gate.says('the gate is open')
  await gate.says('keys are in use')
  const token = await signWith(key, { iss: 'https://idp.example.com' })
  const stream = async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: '{"model":"m","stream":true,"messages":[]}'
    })
    const reader = answer.body?.getReader()
    if (reader === undefined) throw new Error('no stream')
    const first = await reader.read()
    const rest = async (): Promise<string> => {
      let text = new TextDecoder().decode(first.value)
      for (;;) {
        const { done, value } = await reader.read()
        if (done) return text
        text += new TextDecoder().decode(value)
      }
    }
    return { rest: rest() }
  }
  const streams = await Promise.all(Array.from({ length: 20 }, stream))
  for (const { rest } of streams) rest.catch(() => {})
  const sockets = () => readdirSync(`/proc/${gate.child.pid}/fd`).length
  return { engine, gate, streams, sockets, stream, audit: () => readFileSync(`${dir}/audit.log`, 'utf8') }
}

t.test(
  'a gate that is killed in the middle of streams: its callers see it, and its engines are free within 2 s',
  async t => {
    const { engine, gate, streams } = await running(t)
    t.equal(await engine.connections(), 20)
    gate.child.kill('SIGKILL')
    const killedAtMs = performance.now()
    for (const { rest } of streams) await t.rejects(rest, 'a broken connection, not an end')
    await engine.waitFor('abort', 20)
    while ((await engine.connections()) > 0) await engine.probes()
    t.ok(performance.now() - killedAtMs < 2_000)
  }
)

t.test('a gate that stands still for a while and goes on has lost nothing, and keeps nothing', async t => {
  const { engine, gate, streams, sockets, audit } = await running(t)
  const before = sockets()
  gate.child.kill('SIGSTOP')
  await engine.release()
  await engine.waitFor('end', 20)
  gate.child.kill('SIGCONT')
  for (const { rest } of streams) t.match(await rest, /\n\ndata: \[DONE\]\n\n$/)
  while (audit().split('\n').length - 1 < 20) await engine.probes()
  // The callers' connections stay with them; the engine's are given up one by one.
  while ((await engine.connections()) > 0) await new Promise(resolve => setTimeout(resolve, 20))
  t.ok(sockets() <= before - 20, `${sockets()}, and ${before} before`)
})
