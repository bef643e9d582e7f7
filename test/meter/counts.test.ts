import fc from 'fast-check'
import t from 'tap'
import {
  countsOfMessage,
  merge,
  NOTHING,
  readCounts,
  readMessageUsage,
  saysAnything,
  sum
} from '../../src/meter/counts.ts'

t.test('both vocabularies are read; SGLang keeps reasoning beside the others', async t => {
  t.strictSame(
    readCounts({
      prompt_tokens: 1,
      completion_tokens: 2,
      prompt_tokens_details: { cached_tokens: 0 },
      completion_tokens_details: null,
      reasoning_tokens: 3
    }),
    { inputTokens: 1, cachedInputTokens: 0, outputTokens: 2, reasoningTokens: 3, audioSeconds: null }
  )
  t.match(readCounts({ input_tokens: 1, output_tokens: 2, input_tokens_details: { cached_tokens: 1 } }), {
    inputTokens: 1,
    cachedInputTokens: 1,
    outputTokens: 2
  })
  t.match(readCounts({ type: 'duration', seconds: 0 }), { audioSeconds: 0 })
})

t.test('what is no count is not known: below nothing, a fraction, a text, more than can be counted', async t => {
  for (const value of [-1, 1.5, '7', null, true, Number.POSITIVE_INFINITY, 2 ** 60, {}, []])
    t.equal(readCounts({ prompt_tokens: value }).inputTokens, null, String(value))
  t.equal(readCounts({ seconds: -1 }).audioSeconds, null)
  for (const value of [null, 5, 'x', [], undefined]) t.strictSame(readCounts(value), NOTHING)
  fc.assert(fc.property(fc.jsonValue(), value => readCounts(value) !== null && readMessageUsage(value) !== null))
})

t.test("a message's cache is a part of its input, as everywhere else", async t => {
  const read = (usage: object) => countsOfMessage(readMessageUsage(usage))
  t.match(read({ input_tokens: 3, cache_read_input_tokens: 4, cache_creation_input_tokens: 5 }), {
    inputTokens: 12,
    cachedInputTokens: 4
  })
  t.match(read({ input_tokens: 3, cache_read_input_tokens: null }), { inputTokens: 3, cachedInputTokens: null })
  t.match(read({ output_tokens: 3 }), { inputTokens: null, outputTokens: 3 })
})

t.test('later numbers take the place of earlier ones, 0 too; what is not said again stays', async t => {
  t.match(merge(readCounts({ prompt_tokens: 5, completion_tokens: 6 }), readCounts({ completion_tokens: 0 })), {
    inputTokens: 5,
    outputTokens: 0
  })
})

t.test('a sum knows what all of its parts know', async t => {
  t.match(sum([readCounts({ prompt_tokens: 1, completion_tokens: 2 }), readCounts({ prompt_tokens: 3 })]), {
    inputTokens: 4,
    outputTokens: null
  })
})

t.test('nothing said is not the same as nothing used', async t => {
  t.equal(saysAnything(NOTHING), false)
  t.equal(saysAnything(readCounts({ completion_tokens: 0 })), true)
})
