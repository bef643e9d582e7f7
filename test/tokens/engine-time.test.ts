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
  const beganAtMs = performance.now()
  await wait(220)
  time.held(1_000)
  const readMs = performance.now() - beganAtMs
  t.ok(time.heldMs < 50)
  await wait(220)
  t.ok(time.heldMs >= 200)
  const least = (performance.now() - beganAtMs) / readMs
  const ofTwice = time.overhang(2_000) ?? 0
  const overhang = time.overhang(1_000) ?? 0
  const most = (performance.now() - beganAtMs) / readMs
  t.ok(overhang > 0.9 * least && overhang < 1.1 * most, `${least} < ${overhang} < ${most}`)
  t.ok(ofTwice < overhang, 'what was read since then is no overhang')
  time.resumed()
  const held = time.heldMs
  await wait(20)
  t.equal(time.heldMs, held)
})

t.test('a moment in which nothing was read says nothing of how fast an engine is', async t => {
  const time = new EngineTime()
  time.sent()
  time.progressed()
  // Right at the beginning, when a tenth has been read of what was read before the stall.
  time.held(100)
  time.resumed()
  await wait(220)
  time.held(1_000)
  await wait(220)
  const overhang = time.overhang(1_000) ?? 0
  t.ok(overhang > 1.5 && overhang < 2.5, `${overhang}`)
  time.ended()
  t.ok(Math.abs((time.overhang(1_000) ?? 0) - overhang) < 0.2)
})
