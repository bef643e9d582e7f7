import fc from 'fast-check'
import t from 'tap'
import { callSize } from '../../src/tokens/call-size.ts'
import { TokenRatios } from '../../src/tokens/token-ratios.ts'

const sizeOf = (textBytes: number, more: object = {}) => ({ ...callSize('chat', { messages: [] }), textBytes, ...more })
const key = (team = 'a', model = 'm', operation = 'chat') => ({ team, model, operation })

t.test('four bytes are a token until a team has calls of its own, and then what those were like', async t => {
  const ratios = new TokenRatios()
  t.equal(ratios.inputTokens(key(), sizeOf(4_000)), 1_000)
  for (let n = 0; n < 20; n++) ratios.learnInput(key(), sizeOf(3_000), 3_000)
  t.ok(Math.abs(ratios.inputTokens(key(), sizeOf(4_000)) - 4_000) < 100)
  t.equal(ratios.inputTokens(key('b'), sizeOf(4_000)), 1_000, 'another team is as before')
  t.equal(ratios.inputTokens(key('a', 'other'), sizeOf(4_000)), 1_000, 'another model is as before')
  t.ok(
    ratios.inputTokens(key('a', 'm', 'messages'), sizeOf(4_000)) > 3_800,
    'an operation without calls goes by others'
  )
})

t.test('no team moves the tokens of another one by more than to what a third one has', async () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ bytes: fc.integer({ min: 1, max: 2e6 }), tokens: fc.integer({ min: 1, max: 1e6 }) }), {
        maxLength: 60
      }),
      fc.integer({ min: 2, max: 6 }),
      (poison, honest) => {
        const ratios = new TokenRatios()
        for (let n = 0; n < 30; n++) ratios.learnInput(key('victim'), sizeOf(honest * 500), 500)
        const before = ratios.inputTokens(key('victim'), sizeOf(10_000))
        const stranger = ratios.inputTokens(key('stranger'), sizeOf(10_000))
        for (const { bytes, tokens } of poison) ratios.learnInput(key('attacker'), sizeOf(bytes), tokens)
        const lowest = Math.min(stranger, 10_000 / honest, 2_500)
        const highest = Math.max(stranger, 10_000 / honest, 2_500)
        const now = ratios.inputTokens(key('stranger'), sizeOf(10_000))
        return ratios.inputTokens(key('victim'), sizeOf(10_000)) === before && now >= lowest - 20 && now <= highest + 20
      }
    )
  )
})

t.test('a team that sends nothing but blanks gains a bounded part, and never less than nothing', async t => {
  const ratios = new TokenRatios()
  for (let n = 0; n < 100; n++) ratios.learnInput(key(), sizeOf(1_000_000), 1_000)
  t.ok(ratios.inputTokens(key(), sizeOf(4_000)) >= 500)
  for (let n = 0; n < 500; n++) ratios.learnInput(key(), sizeOf(10), 1_000_000)
  t.ok(ratios.inputTokens(key(), sizeOf(4_000)) <= 4_000)
})

t.test('what a picture is and what a cache has had are learned for a team and a model', async t => {
  const ratios = new TokenRatios()
  t.equal(ratios.inputTokens(key(), sizeOf(0, { media: 1 })), 500)
  for (let n = 0; n < 20; n++) ratios.learnInput(key(), sizeOf(400, { media: 2 }), 2_100)
  t.ok(Math.abs(ratios.inputTokens(key(), sizeOf(400, { media: 1 })) - 1_100) < 60)
  t.equal(ratios.cachedShare(key()), null)
  for (let n = 0; n < 20; n++) ratios.learnCached(key(), 30, 40)
  t.ok(Math.abs((ratios.cachedShare(key()) ?? 0) - 0.75) < 1e-6)
  t.equal(ratios.cachedShare(key('b')), null)
})

t.test('an answer that nobody waits for any more comes to what answers of the model come to', async t => {
  const ratios = new TokenRatios()
  t.equal(ratios.usualAnswer(key(), 300, 3), 300)
  for (let n = 0; n < 50; n++) ratios.learnAnswer(key(), 50, 1, 100)
  t.ok(Math.abs(ratios.usualAnswer(key(), 300, 3) - 150) < 5)
  for (let n = 0; n < 50; n++) ratios.learnAnswer(key(), 90, 3, null)
  t.ok(Math.abs(ratios.usualAnswer(key(), Number.POSITIVE_INFINITY, 2) - 60) < 2)
})
