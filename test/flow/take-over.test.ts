import { readFileSync } from 'node:fs'
import t from 'tap'
import { runGate } from '../helpers/gate-process.ts'
import { fresh, open, scene } from '../helpers/two-pools.ts'

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
