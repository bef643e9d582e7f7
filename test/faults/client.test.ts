import { spawn } from 'node:child_process'
import t from 'tap'
import type { Fault } from '../helpers/fault-proxy.ts'
import { type Expected, type FaultScene, faultScene } from '../helpers/fault-scene.ts'
import { openRaw } from '../helpers/raw.ts'

/** What a caller's bytes suffer on their way to the gate, and what it then gets. */
interface Cell {
  readonly fault: Fault
  readonly expected: Expected
  readonly begun: 0 | 1
}

const whole: Expected = { ending: 'whole', code: null }
const gone: Expected = { ending: 'cut', code: null, isUnrouted: true }
const refused = (code: string, status: number): Expected => ({ ending: 'refused', status, code, isUnrouted: true })
const [HEAD, BODY] = ['\r\nauthorization: Bear', '"messages"']
const LATE = refused('TOLLGATE_ACCEPT_TIMEOUT', 408)

const CELLS: readonly Cell[] = [
  { fault: { kind: 'latency', ms: 30 }, expected: whole, begun: 1 },
  { fault: { kind: 'trickle', gapMs: 0 }, expected: whole, begun: 1 },
  { fault: { kind: 'reset', after: 0 }, expected: gone, begun: 0 },
  { fault: { kind: 'reset', after: HEAD }, expected: gone, begun: 0 },
  { fault: { kind: 'reset', after: BODY }, expected: gone, begun: 0 },
  { fault: { kind: 'half-close', after: HEAD }, expected: refused('TOLLGATE_ACCEPT_HEADERS', 400), begun: 0 },
  { fault: { kind: 'half-close', after: BODY }, expected: refused('TOLLGATE_ACCEPT_HEADERS', 400), begun: 0 },
  { fault: { kind: 'garbage', after: 0 }, expected: refused('TOLLGATE_ACCEPT_HEADERS', 400), begun: 0 },
  { fault: { kind: 'garbage', after: HEAD }, expected: refused('TOLLGATE_ACCEPT_HEADERS', 400), begun: 0 },
  { fault: { kind: 'garbage', after: BODY }, expected: refused('TOLLGATE_INSPECT_JSON', 400), begun: 0 }
]
/** Those that end by the time limits of a request. */
const SLOW: readonly Cell[] = [
  { fault: { kind: 'blackhole', after: 0 }, expected: LATE, begun: 0 },
  { fault: { kind: 'blackhole', after: HEAD }, expected: LATE, begun: 0 },
  { fault: { kind: 'blackhole', after: BODY }, expected: LATE, begun: 0 },
  { fault: { kind: 'trickle', gapMs: 1_000 }, expected: LATE, begun: 0 }
]

async function run(t: Parameters<FaultScene['check']>[0], s: FaultScene, cells: readonly Cell[]): Promise<void> {
  for (const { fault, expected, begun } of cells) {
    const name = JSON.stringify(fault)
    const before = (await s.engine.requests()).length
    s.callers.set({ toServer: fault })
    await s.check(t, name, await s.call(), expected)
    t.equal((await s.engine.requests()).length, before + begun, name)
    await s.checkFlat(t, name)
  }
}

t.test(
  'whatever happens to what a caller says, no engine hears the half of it, and nothing is left behind',
  async t => {
    await run(t, await faultScene(t), CELLS)
  }
)

t.test('a caller who takes for ever is told so when its time is over', async t => {
  await run(t, await faultScene(t, { limits: { headersMs: 400, requestMs: 600, checkEveryMs: 20 } }), SLOW)
})

for (const how of ['half-close', 'reset'] as const) {
  t.test(`a caller who has asked, and ends by ${how}, has left: its engine is free`, async t => {
    const s = await faultScene(t)
    await s.engine.script({ kind: 'stall' })
    const before = (await s.engine.requests()).length
    const call = s.call()
    await s.engine.waitFor('request', before + 1)
    if (how === 'reset') s.callers.cut()
    else s.callers.endClients()
    t.equal((await call).status, null)
    await s.engine.waitFor('abort')
    const line = await s.left()
    t.match(line, { 'tollgate.outcome': 'client_left', 'tollgate.target': s.engines.origin, 'tollgate.code': null })
    await s.checkFlat(t, how)
  })
}

t.test('a caller who is killed in the middle of a stream has left: its engine is free', async t => {
  const s = await faultScene(t)
  await s.engine.script({ kind: 'serve', events: 3, isHeld: true })
  const code = `
    const answer = await fetch(process.env.URL, { method: 'POST', body: process.env.BODY, headers: {
      authorization: 'Bearer ' + process.env.TOKEN, 'content-type': 'application/json' } })
    for await (const piece of answer.body) process.stdout.write(piece)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
    env: {
      ...process.env,
      URL: `${s.gate.url}/v1/chat/completions`,
      TOKEN: await s.sign(),
      BODY: '{"model":"m","stream":true,"messages":[]}'
    },
    stdio: ['ignore', 'pipe', 'inherit']
  })
  await new Promise(resolve => child.stdout.once('data', resolve))
  const gone = new Promise(resolve => child.once('close', resolve))
  child.kill('SIGKILL')
  await gone
  await s.engine.waitFor('abort')
  t.match(await s.left(), { 'tollgate.outcome': 'client_left', 'tollgate.stream': true })
  await s.checkFlat(t, 'killed')
})

t.test('a caller who reads nothing is cut, and its engine is free', async t => {
  const s = await faultScene(t, { limits: { readerStallMs: 300 } })
  await s.engine.script({ kind: 'flood' })
  const deaf = await openRaw(s.gate.port)
  deaf.pause()
  const body = '{"model":"m","messages":[]}'
  deaf.write(
    `POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${await s.sign()}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  )
  await s.engine.waitFor('abort')
  t.match(await s.left(), { 'tollgate.outcome': 'client_left', 'tollgate.code': 'TOLLGATE_ACCEPT_STALLED' })
  deaf.destroy()
  await s.checkFlat(t, 'cut')
})
