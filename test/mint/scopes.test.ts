import t from 'tap'
import { readScopes } from '../../src/mint/scopes.ts'

t.test('nothing asked for is no wish; a list is each of its words once', async t => {
  t.equal(readScopes(undefined), null)
  t.strictSame([...(readScopes('a b a') ?? [])], ['a', 'b'])
})

t.test('what is no list of scopes is refused as one', async t => {
  for (const text of ['a  b', ' a', 'a"b', 'a\nb', 'ä', Array(200).fill('a').join(' ')]) {
    t.throws(() => readScopes(text), { code: 'TOLLGATE_MINT_SCOPE' }, text.slice(0, 10))
  }
})
