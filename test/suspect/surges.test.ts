import t from 'tap'
import { Surges } from '../../src/suspect/surges.ts'
import { MAX_KEYS } from '../../src/suspect/windows.ts'

const SPAN = 300_000
const RULE = { withinMs: SPAN, ratio: 10, requests: 20, tokens: 1_000 }

/** So many requests in each of so many spans. */
function live(surges: Surges, key: string, from: number, spans: number, requests: number, tokens = 0) {
  const fired: (number | null)[] = []
  for (let span = from; span < from + spans; span++) {
    for (let i = 0; i < requests; i++) fired.push(surges.add(key, span * SPAN + i, tokens, RULE))
  }
  return fired.filter(times => times !== null)
}

t.test('who does ten times what is usual for him is told of, once in a span', async t => {
  const surges = new Surges()
  t.strictSame(live(surges, 'k', 0, 20, 3), [])
  t.strictSame(live(surges, 'k', 20, 1, 30), [], 'ten times is not more than that')
  const fired = live(surges, 'k', 21, 1, 60)
  t.equal(fired.length, 1)
  t.ok((fired[0] ?? 0) > 10)
})

t.test('tokens are judged as requests are', async t => {
  const surges = new Surges()
  live(surges, 'k', 0, 20, 1, 100)
  t.equal(live(surges, 'k', 20, 1, 1, 1_100).length, 1)
})

t.test('little is no surge, however much more than nothing it is; nor is what somebody new does', async t => {
  const surges = new Surges()
  live(surges, 'k', 0, 20, 1)
  t.strictSame(live(surges, 'k', 20, 1, 20), [])
  t.strictSame(live(surges, 'new', 20, 3, 500), [])
})

t.test('after a night without a call the day before is still known', async t => {
  const surges = new Surges()
  live(surges, 'k', 0, 100, 40)
  t.strictSame(live(surges, 'k', 100 + 144, 1, 80), [])
})

t.test('a hundred thousand subjects take the room of ten thousand', async t => {
  const surges = new Surges()
  for (let i = 0; i < 100_000; i++) surges.add(`key-${i}`, 1, 0, RULE)
  t.equal(surges.size, MAX_KEYS)
})
