import t from 'tap'
import { Backoff } from '../../src/export/backoff.ts'

t.test('waits double up to a minute, with jitter, and begin anew after a success', async t => {
  const waits = (random: number) => {
    const backoff = new Backoff(() => random)
    return Array.from({ length: 9 }, () => backoff.next(0))
  }
  t.strictSame(waits(1), [500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000])
  t.strictSame(waits(0).slice(0, 3), [250, 500, 1_000])
  const backoff = new Backoff(() => 1)
  backoff.next(0)
  backoff.next(0)
  backoff.succeeded()
  t.equal(backoff.next(0), 500)
})

t.test('what the other side asks for is the least', async t => {
  t.equal(new Backoff(() => 1).next(7_000), 7_000)
})
