import { mock } from 'node:test'
import t from 'tap'
import { Clocks } from '../../src/forward/clocks.ts'

t.test('the first byte, each piece and the whole have limits of their own; a reader that rests has none', async t => {
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  const seen: unknown[] = []
  const begin = () =>
    new Clocks(
      { connectMs: 1, firstByteMs: 100, idleMs: 10, totalMs: 1_000, maxConnectionMs: 300_000 },
      (which, afterMs) => seen.push([which, afterMs])
    )
  begin()
  mock.timers.tick(99)
  t.strictSame(seen, [])
  mock.timers.tick(1)
  t.strictSame(seen.splice(0), [['first_byte', 100]])
  mock.timers.tick(900)
  t.strictSame(seen.splice(0), [['total', 1_000]])

  const answering = begin()
  answering.awaitPiece()
  mock.timers.tick(9)
  answering.awaitPiece()
  mock.timers.tick(9)
  t.strictSame(seen, [])
  answering.rest()
  mock.timers.tick(500)
  t.strictSame(seen, [])
  answering.awaitPiece()
  mock.timers.tick(10)
  t.strictSame(seen.splice(0), [['idle', 10]])
  answering.stop()
  mock.timers.tick(10_000)
  t.strictSame(seen, [])
})
