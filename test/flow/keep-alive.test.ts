import t from 'tap'
import { bodyOf } from '../helpers/flavours/calls.ts'
import { scene } from '../helpers/flavours/scene.ts'

const CHAT = '/v1/chat/completions'
/** When, in milliseconds after its first call, a lane makes its second: before the gate gives an idle connection up, while it does, and around the moment when the engine would. */
const LANES = [3_500, 3_900, 3_990, 4_000, 4_010, 4_100, 4_500, 4_900, 4_980, 4_990, 5_000, 5_005, 5_010, 5_050, 5_200]

t.test('no call meets a connection that the engine is closing after its 5 s of silence', async t => {
  const { ask, engine } = await scene(t, 'vllm')
  // All at once, so that there is a connection for each.
  await engine.hold('queue')
  const first = LANES.map(() => ask(CHAT, bodyOf('chat')))
  await engine.waitForRunning(LANES.length)
  await engine.release()
  for (const { status } of await Promise.all(first)) t.equal(status, 200)
  const lanes = LANES.map(async afterMs => {
    // The one place where time is what is tested.
    await new Promise(resolve => setTimeout(resolve, afterMs))
    const { status, code } = await ask(CHAT, bodyOf('chat'))
    return `${afterMs}: ${status} ${code}`
  })
  t.strictSame(
    await Promise.all(lanes),
    LANES.map(afterMs => `${afterMs}: 200 null`)
  )
  t.equal(await engine.idled(), 0, 'the gate was first to close, every time')
})

t.test('a thousand calls, each about 5 s after the one before, and not one fails', async t => {
  const { gate, engine, token } = await scene(t, 'vllm')
  const [lanes, rounds] = [250, 4]
  const ask = async () => {
    const answer = await fetch(`${gate.url}${CHAT}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: bodyOf('chat')
    })
    await answer.text()
    return answer.status
  }
  await engine.hold('queue')
  const first = Array.from({ length: lanes }, ask)
  await engine.waitForRunning(lanes)
  await engine.release()
  const failed = (await Promise.all(first)).filter(status => status !== 200)
  const lane = async (number: number) => {
    for (let round = 1; round < rounds; round++) {
      // Spread over 4.8 to 5.2 s, each lane and round in a place of its own.
      await new Promise(resolve => setTimeout(resolve, 4_800 + ((number * 37 + round * 101) % 400)))
      const status = await ask()
      if (status !== 200) failed.push(status)
    }
  }
  await Promise.all(Array.from({ length: lanes }, (_, number) => lane(number)))
  t.strictSame(failed, [])
})
