import t from 'tap'
import { canonicalName, hasEnded } from '../../src/mint/accounts.ts'

t.test('a name that is written in several ways is one name', async t => {
  for (const text of ['ada', 'ADA', 'Ada', 'ＡＤＡ']) t.equal(canonicalName(text), 'ada', text)
  t.equal(canonicalName('Zoe\u0308'), canonicalName('ZO\u00cb'))
  t.equal(canonicalName('ada@example.com'), 'ada@example.com')
})

t.test('what is no name is none', async t => {
  for (const text of ['', ' ', 'a b', '.ada', 'a\nb', 'a/b', 'x'.repeat(65), 'x'.repeat(100_000), '-', 'a\u0000']) {
    t.equal(canonicalName(text), null, JSON.stringify(text).slice(0, 20))
  }
  t.equal(canonicalName('x'.repeat(64)), 'x'.repeat(64))
})

t.test('an account has ended when no token of it would live for a second', async t => {
  t.equal(hasEnded({ expiresAtMs: null }, 5_000), false)
  t.equal(hasEnded({ expiresAtMs: 6_000 }, 5_000), false)
  t.equal(hasEnded({ expiresAtMs: 5_900 }, 5_000), true)
  t.equal(hasEnded({ expiresAtMs: 4_000 }, 5_000), true)
})
