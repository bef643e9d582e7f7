import fc from 'fast-check'
import t from 'tap'
import { isNextDue, pollMsOf, type RingTimes, ringTimes, signingKey, viewKeys } from '../../src/mint/key-states.ts'

const times = ringTimes({ rotateMs: 100_000, waitMs: 20_000, keepMs: 60_000 })
const key = (generation: number, createdAtMs: number, signsFromMs = createdAtMs + times.waitMs) => ({
  generation,
  createdAtMs,
  signsFromMs,
  keepMs: times.keepMs
})
const fresh = { current: null, isSettled: () => true }
const states = (keys: ReturnType<typeof key>[], nowMs: number) =>
  viewKeys(keys, times, nowMs, fresh).map(({ state }) => state)

t.test('a key is published, waits, signs, retires and goes', async t => {
  const first = key(1, 0, 0)
  const second = key(2, 80_000)
  t.strictSame(states([first], 0), ['signing'])
  t.strictSame(states([first, second], 80_000), ['signing', 'next'])
  t.strictSame(states([first, second], 80_000 + times.settleMs), ['signing', 'waiting'])
  t.strictSame(states([first, second], 99_999), ['signing', 'waiting'])
  t.strictSame(states([first, second], 100_000), ['retired', 'signing'])
  t.strictSame(states([first, second], 159_999 + times.settleMs), ['retired', 'signing'])
  t.strictSame(states([first, second], 160_000 + times.settleMs), ['gone', 'signing'])
})

t.test('the next key is due when its wait ends as the time of the one before does', async t => {
  t.equal(isNextDue([], times, 0), true)
  t.equal(isNextDue([key(1, 0, 0)], times, 79_999), false)
  t.equal(isNextDue([key(1, 0, 0)], times, 80_000), true)
  t.equal(isNextDue([key(1, 0, 0), key(2, 80_000)], times, 80_000), false)
})

t.test('a key that a wrong clock has made for next year neither signs nor holds up the others', async t => {
  const wrong = key(2, 31_536_000_000)
  t.strictSame(states([key(1, 0, 0), wrong], 80_000), ['signing', 'next'])
  t.equal(isNextDue([key(1, 0, 0), wrong], times, 80_000), true)
  t.strictSame(states([key(1, 0, 0), wrong, key(3, 80_000)], 100_000), ['retired', 'retired', 'signing'])
})

t.test('there is a key to sign with whatever the clock says, and none only where there are none', async t => {
  t.equal(signingKey([key(1, 1_000_000, 1_000_000), key(2, 1_080_000)], 0, fresh)?.generation, 1)
  t.equal(signingKey([], 0, fresh), null)
})

t.test(
  'a gate goes on with its key until it has known the next one for a while, and not when its own is gone',
  async t => {
    const seen = { current: 1, isSettled: ({ generation }: { generation: number }) => generation === 1 }
    t.equal(signingKey([key(1, 0, 0), key(2, 0, 0)], 1, seen)?.generation, 1)
    t.equal(signingKey([key(2, 0, 0)], 1, seen)?.generation, 2)
  }
)

interface Gate {
  readonly offsetMs: number
  polledAtMs: number
  keys: readonly ReturnType<typeof key>[]
  current: number | null
  readonly knownSince: Map<number, number>
}

t.test('whenever gates look and whatever their clocks say, a key signs only when every gate publishes it', async () => {
  const ttlMs = times.keepMs - 20_000
  const step = fc.record({ gate: fc.nat(1), gapMs: fc.nat(pollMsOf(times)) })
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 50, maxLength: 400 }),
      fc.integer({ min: -9_000, max: 9_000 }),
      fc.boolean(),
      fc.integer({ min: 0, max: 3 }),
      async (steps, offsetMs, isLive, stride) => {
        const folder = new Map<number, ReturnType<typeof key>>([[1, key(1, 0, 0)]])
        const start = (offset: number): Gate => ({
          offsetMs: offset,
          polledAtMs: 0,
          keys: [...folder.values()],
          current: 1,
          knownSince: new Map([[1, Number.NEGATIVE_INFINITY]])
        })
        const gates = [start(0), start(offsetMs)]
        const tokens: { readonly by: number; readonly untilMs: number }[] = []
        const seenBy = (gate: Gate, nowMs: number) => ({
          current: gate.current,
          isSettled: (one: { generation: number }) =>
            nowMs - (gate.knownSince.get(one.generation) ?? nowMs) >= times.settleMs
        })
        const viewOf = (gate: Gate, nowMs: number, of: RingTimes = times) =>
          viewKeys(gate.keys, of, nowMs + gate.offsetMs, seenBy(gate, nowMs))
        const poll = (gate: Gate, nowMs: number) => {
          gate.polledAtMs = nowMs
          gate.keys = [...folder.values()].sort((a, b) => a.generation - b.generation)
          if (isNextDue(gate.keys, times, nowMs + gate.offsetMs)) {
            const generation = (gate.keys.at(-1)?.generation ?? 0) + 1
            if (!folder.has(generation)) folder.set(generation, key(generation, nowMs + gate.offsetMs))
            gate.keys = [...folder.values()].sort((a, b) => a.generation - b.generation)
          }
          for (const one of gate.keys) {
            if (!gate.knownSince.has(one.generation)) gate.knownSince.set(one.generation, nowMs)
          }
          for (const { key: one, state } of viewOf(gate, nowMs)) if (state === 'gone') folder.delete(one.generation)
        }
        let nowMs = 0
        for (const { gate: index, gapMs } of steps) {
          nowMs += gapMs * (isLive ? 1 : 1 + stride)
          // Each looks as often as it should; which of them looks between is chance.
          for (const gate of gates) if (nowMs - gate.polledAtMs >= pollMsOf(times)) poll(gate, nowMs)
          const signer = gates[index]
          if (signer === undefined) continue
          const signing = signingKey(signer.keys, nowMs + signer.offsetMs, seenBy(signer, nowMs))
          if (signing === null) return false
          signer.current = signing.generation
          tokens.push({ by: signing.generation, untilMs: nowMs + ttlMs })
          for (const gate of gates) {
            const published = viewOf(gate, nowMs)
              .filter(({ state }) => state !== 'gone')
              .map(one => one.key.generation)
            for (const { by, untilMs } of tokens) if (untilMs > nowMs && !published.includes(by)) return false
          }
        }
        return true
      }
    ),
    { numRuns: 200 }
  )
})
