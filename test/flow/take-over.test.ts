import { readFileSync } from 'node:fs'
import { Agent } from 'node:http'
import t from 'tap'
import { runGate } from '../helpers/gate-process.ts'
import { fresh, once, open, replace, scene } from '../helpers/two-pools.ts'

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

t.test('callers who wait at the listener when the gate is about to close it are served first, all of them', async t => {
  const s = await scene(t)
  await s.a.script({ kind: 'json', body: {} })
  replace(s.file, s.text('a').replace('accept: 300ms', 'accept: 1s'))
  const gate = await open(t, s)
  gate.child.kill('SIGTERM')
  await gate.says('draining')
  gate.child.kill('SIGSTOP')
  const calls = Array.from({ length: 30 }, () => once(s))
  // The gate stands still past the end of `drain.accept`: when it goes on, to close is the first thing that it has to do.
  await new Promise(resolve => setTimeout(resolve, 1_100))
  gate.child.kill('SIGCONT')
  t.strictSame([...new Set(await Promise.all(calls))], ['200'])
  t.equal(await gate.exit, 0)
})

t.test('callers who keep their connections are told to open others before the gate closes them', async t => {
  const s = await scene(t)
  await s.a.script({ kind: 'json', body: {} })
  const first = await open(t, s)
  const agent = new Agent({ keepAlive: true })
  t.teardown(() => agent.destroy())
  const outcomes = new Set<string>()
  let isDone = false
  const callers = Array.from({ length: 30 }, async (_, number) => {
    while (!isDone) {
      outcomes.add(await once(s, agent))
      await new Promise(resolve => setTimeout(resolve, number))
    }
  })
  const second = await open(t, s, ['--take-over'])
  first.child.kill('SIGTERM')
  t.equal(await first.exit, 0)
  isDone = true
  await Promise.all(callers)
  t.strictSame([...outcomes], ['200'])
  second.child.kill('SIGTERM')
  await second.says('draining')
  const answer = await s.ask()
  await answer.text()
  t.equal(answer.headers.get('connection'), 'close')
  t.equal(await second.exit, 0)
})

t.test('a connection whose call outlived the listener takes the next call too, also a moment later', async t => {
  const s = await scene(t)
  await s.a.script({ kind: 'json', body: {}, delayMs: 1_000 })
  const gate = await open(t, s)
  const agent = new Agent({ keepAlive: true })
  t.teardown(() => agent.destroy())
  const call = once(s, agent)
  await s.a.waitFor('request')
  gate.child.kill('SIGTERM')
  t.equal(await call, '200')
  await s.a.script({ kind: 'json', body: {} })
  // The moment in which the caller thinks of what to ask next.
  await new Promise(resolve => setTimeout(resolve, 300))
  t.equal(await once(s, agent), '200')
  t.equal(await gate.exit, 0)
})
