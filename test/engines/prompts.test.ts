import t from 'tap'
import { countConversations, countPrompts, takesTokens } from '../../src/engines/prompts.ts'

t.test(
  'a list of tokens is one prompt where the engine takes such lists; any other element is one of its own',
  async t => {
    const texts = Array.from({ length: 5_000 }, () => 'x')
    for (const [value, tokensTaken, textsOnly] of [
      ['x', 1, 1],
      [undefined, 1, 1],
      [[], 1, 1],
      [[1, 2, 3], 1, 3],
      [[1.0, 2, 3], 1, 3],
      [['a', 'b'], 2, 2],
      [[[1, 2], [3]], 2, 3],
      [[1, ...texts], 5_001, 5_001],
      [[...texts, 1], 5_001, 5_001],
      [[1, 2.5], 2, 2],
      [[true, 1], 2, 2],
      [[null, 1], 2, 2],
      [[[1, 'a', 'b'], [2]], 4, 4],
      [[[['a', 'b'], ['c']]], 3, 3],
      [[{ prompt: 'a' }, { prompt: 'b' }], 2, 2]
    ] as const) {
      const name = JSON.stringify(value)?.slice(0, 30)
      t.equal(countPrompts(value, true), tokensTaken, name)
      t.equal(countPrompts(value, false), textsOnly, name)
    }
  }
)

t.test('which engines take tokens: LMDeploy and ms-swift do under one name alone', async t => {
  t.strictSame(
    (['vllm', 'sglang', 'openai', 'lmdeploy', 'swift'] as const).map(engine => takesTokens(engine, 'prompt')),
    [true, true, true, false, false]
  )
  t.ok(takesTokens('lmdeploy', 'input_ids'))
})

t.test('conversations are lists among the messages', async t => {
  const message = { role: 'user', content: 'hi' }
  t.equal(countConversations([message, message]), 1)
  t.equal(countConversations([[message], [message, message], [message]]), 3)
  t.equal(countConversations('hi'), 1)
})
