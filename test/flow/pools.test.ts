import { connect } from 'node:net'
import t from 'tap'
import { createClock } from '../helpers/clock.ts'
import { startFaultProxy } from '../helpers/fault-proxy.ts'
import { type Fleet, type FleetAnswer, fleet } from '../helpers/fleet.ts'
import { waitingAt } from '../helpers/ports.ts'
import { rested } from '../helpers/rested.ts'

/** So seldom that it does not happen: what is known of engines comes from calls alone. */
const NO_PROBES = ', health: { every: 1h }'
const ERROR_EVENT = /\n\ndata: \{"error":\{"message":"The engine broke off its answer\."[^\n]*\}\n\n$/

/** Calls that are made one after the other until they are told to stop. */
function lane(f: Fleet): { stop: () => Promise<readonly FleetAnswer[]> } {
  const answers: FleetAnswer[] = []
  const state = { isStopped: false }
  const run = async () => {
    while (!state.isStopped) answers.push(await f.call())
  }
  const running = run()
  return {
    stop: async () => {
      state.isStopped = true
      await running
      return answers
    }
  }
}

async function times<T>(count: number, make: () => Promise<T>): Promise<readonly T[]> {
  const made: T[] = []
  for (let i = 0; i < count; i++) made.push(await make())
  return made
}

const enginesOf = (answers: readonly FleetAnswer[]) => answers.map(({ engine }) => engine)
const shareOf = (answers: readonly FleetAnswer[], engine: number) => enginesOf(answers).filter(n => n === engine).length

t.test('one of three engines is killed under load: its streams are told, and nobody else notices', async t => {
  const clock = createClock(Date.now())
  const f = await fleet(t, {
    pool: NO_PROBES,
    nowMs: clock.nowMs,
    engine: () => ({ script: { kind: 'serve', events: 3, isHeld: true } })
  })
  const streams = await times(6, f.stream)
  const lanes = Array.from({ length: 6 }, () => lane(f))
  await f.engines[2]?.waitFor('request', 12)
  await f.engines[1]?.kill()
  await f.says('an engine is left out', f.engines[1]?.origin ?? '')
  const under = (await Promise.all(lanes.map(({ stop }) => stop()))).flat()
  for (const { status, engine, line } of under) {
    // What it had begun when it was killed, and nothing else, may be lost.
    if (status !== 200) t.match([engine, line['tollgate.code']], [1, 'TOLLGATE_FORWARD_RESET'])
  }
  const lost = under.filter(({ status }) => status !== 200).length
  t.ok(lost <= lanes.length, `${lost} of ${under.length}`)
  await Promise.all([f.engines[0]?.release(), f.engines[2]?.release()])
  for (const { ended, id } of streams) {
    const { text } = await ended
    const line = (await f.gate.audits(1)).find(one => one['http.request.id'] === id)
    if (f.numberOf(line?.['tollgate.target']) === 1) {
      t.match(text, ERROR_EVENT)
      t.match(line, { 'tollgate.outcome': 'broken', 'tollgate.code': 'TOLLGATE_FORWARD_BROKEN' })
    } else t.match(text, /data: \[DONE\]\n\n$/)
  }

  const after = await times(12, f.call)
  t.notOk(enginesOf(after).includes(1), 'it is left out')
  t.ok(after.every(({ line }) => line['tollgate.attempts'] === 1))
  await f.restart(1)
  t.notOk(enginesOf(await times(6, f.call)).includes(1), 'until its time is over')
  clock.advance(10_000)
  t.equal((await f.call()).engine, 1, 'then one call tries it')
  await f.says('an engine is back', f.engines[1]?.origin ?? '')
  t.ok(enginesOf(await times(30, f.call)).includes(1))
})

t.test('three answers that break off put their engine out, before anybody who comes back meets it', async t => {
  const f = await fleet(t, {
    count: 2,
    pool: NO_PROBES,
    engine: () => ({ script: { kind: 'serve', events: 3, isHeld: true } })
  })
  const streams = await times(6, f.stream)
  await f.engines[0]?.kill()
  await f.says('an engine is left out', f.engines[0]?.origin ?? '', 'TOLLGATE_FORWARD_BROKEN')
  const back = await times(10, f.call)
  t.ok(back.every(({ status, engine, line }) => status === 200 && engine === 1 && line['tollgate.attempts'] === 1))
  await f.engines[1]?.release()
  await Promise.all(streams.map(({ ended }) => ended))
})

t.test('calls that meet a dead engine are answered by another', async t => {
  const f = await fleet(t, { count: 2, pool: NO_PROBES })
  await f.engines[0]?.kill()
  let met = 0
  while (met < 3) {
    const { status, engine, line } = await f.call()
    t.match([status, engine], [200, 1])
    if (line['tollgate.attempts'] === 2) met++
  }
  await f.says('an engine is left out', f.engines[0]?.origin ?? '', 'ECONNREFUSED')
})

t.test('questions after its health find a dead engine before calls do, and bring it back', async t => {
  const f = await fleet(t, { pool: ', health: { every: 50ms, fall: 2, rise: 2 }' })
  await f.engines[0]?.kill()
  await f.says('an engine does not answer and is left out', f.engines[0]?.origin ?? '')
  const answers = await times(20, f.call)
  t.ok(answers.every(({ status, line }) => status === 200 && line['tollgate.attempts'] === 1))
  await f.restart(0)
  await f.says('an engine answers again', f.engines[0]?.origin ?? '')
  t.ok(enginesOf(await times(30, f.call)).includes(0))
})

t.test('an engine that takes no connections costs its callers a moment, not their call', async t => {
  const f = await fleet(t, {
    pool: `${NO_PROBES}, timeouts: { connect: 500ms }`,
    engine: () => ({ backlog: 1 })
  })
  await f.engines[0]?.freeze()
  // Its queue of two is full, so that the kernel answers nobody: as with a machine that is gone.
  const port = f.engines[0]?.port ?? 0
  const fill = Array.from({ length: 5 }, () => connect(port, '127.0.0.1'))
  for (const socket of fill) socket.on('error', () => {})
  while ((await waitingAt(port)) < 2) await new Promise(resolve => setTimeout(resolve, 5))
  const isLeftOut = () => f.gate.log.some(line => line.includes('an engine is left out'))
  while (!isLeftOut()) {
    const answers = await Promise.all(Array.from({ length: 9 }, () => f.call()))
    t.ok(answers.every(({ status, engine }) => status === 200 && engine !== 0))
  }
  await f.says('an engine is left out', 'TOLLGATE_FORWARD_CONNECT', 'ETIMEDOUT')
  for (const socket of fill) socket.destroy()
  f.engines[0]?.thaw()
})

t.test('an engine that refuses the key is told of in the log and left out; no caller learns why', async t => {
  const f = await fleet(t, {
    pool: NO_PROBES,
    engine: number => (number === 2 ? { requireKey: 'other' } : {})
  })
  const origin = f.engines[2]?.origin ?? ''
  while (!f.gate.log.some(line => line.includes('an engine is left out'))) await f.call()
  const refused = f.gate.log.filter(line => line.includes('TOLLGATE_FORWARD_KEY'))
  t.equal(refused.length, 3)
  for (const line of refused) t.match(JSON.parse(line), { detail: { origin, pool: 'p', status: 401 } })
  const answers = await times(12, f.call)
  t.ok(answers.every(({ status, engine }) => status === 200 && engine !== 2))
})

for (const status of [429, 503]) {
  t.test(`an engine that says ${status} and for how long gets its pause; when all do, callers are told`, async t => {
    const clock = createClock(Date.now())
    const f = await fleet(t, { count: 2, pool: NO_PROBES, nowMs: clock.nowMs })
    const busy = { kind: 'status', status, headers: { 'retry-after': '20' }, body: '' } as const
    await f.engines[0]?.script(busy)
    const refused = async (): Promise<FleetAnswer> => {
      const answer = await f.call()
      return answer.status === 200 ? await refused() : answer
    }
    const first = await refused()
    t.match([first.status, first.engine, first.headers.get('retry-after')], [status, 0, '20'])
    t.strictSame(new Set(enginesOf(await times(12, f.call))), new Set([1]))
    await f.engines[1]?.script(busy)
    t.equal((await f.call()).status, status)
    clock.advance(5_000)
    const told = await f.call()
    t.match([told.status, told.headers.get('retry-after')], [503, '15'])
    t.equal(told.line['tollgate.code'], 'TOLLGATE_ROUTE_BUSY')
    for (const engine of f.engines) await engine.script({ kind: 'serve', events: 1 })
    clock.advance(15_000)
    t.strictSame(new Set(enginesOf(await times(20, f.call))), new Set([0, 1]))
  })
}

t.test('a full pool: one call waits, the next is refused, and whoever leaves the queue makes room', async t => {
  const f = await fleet(t, {
    count: 1,
    pool: `${NO_PROBES}, max_inflight: 1, queue: { size: 1 }`,
    engine: () => ({ script: { kind: 'held' } })
  })
  const [engine] = f.engines
  const first = f.send()
  await engine?.waitFor('request', 1)
  const leaving = [new AbortController(), new AbortController()]
  const two = leaving.map(({ signal }, number) => f.send({ signal }).then(answer => ({ number, answer })))
  for (const one of two) one.catch(() => {})
  const refused = await Promise.race(two)
  t.match([refused.answer.status, refused.answer.headers.get('retry-after')], [503, '2'])
  t.match(await refused.answer.json(), { error: { code: 'upstream_unavailable' } })
  t.match(await f.gate.audit(1), { 'tollgate.code': 'TOLLGATE_ROUTE_FULL', 'tollgate.target': null })

  leaving[1 - refused.number]?.abort()
  t.match(await f.gate.audit(2), { 'tollgate.outcome': 'client_left', 'tollgate.target': null })
  const waiting = f.call()
  const another = await f.call()
  t.equal(another.line['tollgate.code'], 'TOLLGATE_ROUTE_FULL', 'the place of the one who left is taken, and no other')
  await engine?.release()
  t.equal((await first).status, 200)
  await engine?.waitFor('request', 2)
  await engine?.release()
  t.equal((await waiting).status, 200)
  t.equal((await engine?.requests())?.length, 2, 'the engine never heard of the others')
})

t.test('a call that has waited long enough is told so', async t => {
  const f = await fleet(t, {
    count: 1,
    pool: `${NO_PROBES}, max_inflight: 1, queue: { size: 4, timeout: 50ms }`,
    engine: () => ({ script: { kind: 'held' } })
  })
  const [engine] = f.engines
  const first = f.send()
  await engine?.waitFor('request', 1)
  const late = await f.call()
  t.match([late.status, late.headers.get('retry-after')], [503, '5'])
  t.match(late.line, { 'tollgate.code': 'TOLLGATE_ROUTE_LATE', 'event.outcome': 'failure' })
  await engine?.release()
  t.equal((await first).status, 200)
})

t.test('a session stays with its engine, by its name or by how its prompt begins, until that is too busy', async t => {
  const f = await fleet(t, { pool: `${NO_PROBES}, balance: session` })
  const byName = await times(8, () => f.call({ headers: { 'x-session-id': 'mine' } }))
  t.equal(new Set(enginesOf(byName)).size, 1)
  const prompt = 'a long system prompt '.repeat(100)
  const byPrompt: FleetAnswer[] = []
  for (const end of ['one', 'two', 'three']) byPrompt.push(await f.call({ content: `${prompt}${end}` }))
  t.equal(new Set(enginesOf(byPrompt)).size, 1)
  const many: FleetAnswer[] = []
  for (let i = 0; i < 30; i++) many.push(await f.call({ headers: { 'x-session-id': `s-${i}` } }))
  t.equal(new Set(enginesOf(many)).size, 3, 'sessions are spread')

  const home = byName[0]?.engine ?? -1
  for (const engine of f.engines) await engine.script({ kind: 'held' })
  const before = await Promise.all(f.engines.map(async engine => (await engine.requests()).length))
  const crowd = Array.from({ length: 24 }, () => f.call({ headers: { 'x-session-id': 'mine' } }))
  await Promise.all(f.engines.map((engine, number) => engine.waitFor('request', (before[number] ?? 0) + 1)))
  let isOver = false
  const all = Promise.all(crowd).finally(() => {
    isOver = true
  })
  // Some may still be on their way when the first are let go.
  while (!isOver) {
    for (const engine of f.engines) await engine.release()
    await new Promise(resolve => setTimeout(resolve, 5))
  }
  const spread = await all
  t.ok(shareOf(spread, home) >= 8, `${enginesOf(spread)}`)
  t.equal(new Set(enginesOf(spread)).size, 3)
})

t.test('targets get their shares: in turns to the call, and by what is in flight', async t => {
  const weighted = { count: 2, target: (number: number) => (number === 0 ? ', weight: 3' : '') }
  const turns = await fleet(t, { ...weighted, pool: `${NO_PROBES}, balance: round_robin` })
  const answers = await times(24, turns.call)
  t.strictSame([shareOf(answers, 0), shareOf(answers, 1)], [18, 6])

  const least = await fleet(t, { ...weighted, pool: NO_PROBES, engine: () => ({ script: { kind: 'held' } }) })
  const held = Array.from({ length: 12 }, () => least.call())
  await least.engines[0]?.waitFor('request', 9)
  await least.engines[1]?.waitFor('request', 3)
  for (const engine of least.engines) await engine.release()
  const shares = await Promise.all(held)
  t.strictSame([shareOf(shares, 0), shareOf(shares, 1)], [9, 3])
})

t.test('what engines say of their work steers calls away from those who work for others too', async t => {
  const f = await fleet(t, { count: 2, pool: ', health: { every: 20ms }' })
  const load = (running: number) => ({ running, waiting: 0, cacheUse: 0.1 })
  const heard = async () => {
    // Two rounds of health and load, begun after it was said.
    for (const engine of f.engines) {
      const before = (await engine.probes()) + 5
      await engine.waitFor('probe', before)
    }
  }
  for (const [first, second, goTo] of [
    [50, 0, 1],
    [0, 50, 0]
  ] as const) {
    await f.engines[0]?.tell(load(first))
    await f.engines[1]?.tell(load(second))
    await heard()
    t.strictSame(new Set(enginesOf(await times(10, f.call))), new Set([goTo]))
  }
})

t.test('when everything fails, second tries stay within a fifth of the calls', async t => {
  const f = await fleet(t, { count: 2, pool: NO_PROBES })
  for (const engine of f.engines) await engine.kill()
  const answers = await times(60, f.call)
  for (const { status, line } of answers) {
    t.match([status, line['tollgate.code']], [503, 'TOLLGATE_FORWARD_UNREACHABLE'])
  }
  const attempts = answers.reduce((sum, { line }) => sum + Number(line['tollgate.attempts']), 0)
  t.ok(attempts > 60 && attempts <= 60 + 5 + 60 / 5, String(attempts))
})

t.test('connections that went stale cost no call: a fresh one carries it, and one generation is begun', async t => {
  const proxies: Awaited<ReturnType<typeof startFaultProxy>>[] = []
  const f = await fleet(t, {
    count: 1,
    pool: NO_PROBES,
    engine: () => ({ script: { kind: 'held' } }),
    reach: async engine => {
      proxies.push(await startFaultProxy(t, engine.port))
      return proxies[0]?.origin ?? ''
    }
  })
  const [[proxy], [engine]] = [proxies, f.engines]
  const warm = Array.from({ length: 5 }, () => f.call())
  await engine?.waitFor('request', 5)
  await engine?.release()
  await Promise.all(warm)
  await rested(f.gate.built.app.transport, 5)
  await engine?.script({ kind: 'serve', events: 1 })
  // More of them than a call has tries.
  t.equal(proxy?.connections, 5)
  proxy?.setOpen({ toServer: { kind: 'reset', after: 0 } })
  const answer = await f.call()
  t.match([answer.status, answer.line['tollgate.attempts']], [200, 2])
  t.equal((await engine?.requests())?.length, 6)
})
