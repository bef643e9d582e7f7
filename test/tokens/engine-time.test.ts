import t from 'tap'
import { EngineTime } from '../../src/tokens/engine-time.ts'

const wait = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))

t.test('an engine works from when it has the call to when nobody wants more of it', async t => {
  const time = new EngineTime()
  time.connecting()
  t.equal(time.workedMs, 0)
  time.sent()
  await wait(20)
  t.ok(time.workedMs >= 15)
  time.ended()
  const worked = time.workedMs
  await wait(10)
  time.ended()
  t.equal(time.workedMs, worked)
  time.connecting()
  time.sent()
  t.ok(time.workedMs < worked, 'a call that is sent once more begins with its last engine')
})

t.test('while nothing is read an engine goes on as fast as before', async t => {
  const time = new EngineTime()
  time.sent()
  t.equal(time.firstByteMs, null)
  time.progressed()
  t.ok((time.firstByteMs ?? -1) >= 0)
  t.equal(time.overhang(1_000), null)
  await wait(220)
  time.held(1_000)
  t.ok(time.heldMs < 50)
  await wait(220)
  t.ok(time.heldMs >= 200)
  const overhang = time.overhang(1_000) ?? 0
  t.ok(overhang > 1.6 && overhang < 2.4, `${overhang}`)
  t.ok((time.overhang(2_000) ?? 0) < overhang, 'what was read since then is no overhang')
  time.resumed()
  const held = time.heldMs
  await wait(20)
  t.equal(time.heldMs, held)
})
