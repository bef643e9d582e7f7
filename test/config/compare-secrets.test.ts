import t from 'tap'
import { createComparer, digestSecrets } from '../../src/config/compare-secrets.ts'
import { isSecretPath } from '../../src/config/shape.ts'

const SALT = '0123456789abcdef0123456789abcdef'
const config = (token: string, query: string) => ({
  admin: { token, listen: '127.0.0.1:9090' },
  issuers: [{ jwks_url: `https://idp.example.com/keys?k=${query}` }, { jwks_url: 'https://idp.example.com/keys' }]
})

t.test('both sides learn which secrets are others, and nothing by which one could be guessed elsewhere', async t => {
  const compare = createComparer({
    running: () => config('first-first-first', 'x'),
    isSecret: isSecretPath,
    nowMs: () => 0
  })
  const asked = digestSecrets(config('first-first-first', 'x'), isSecretPath, SALT)
  t.strictSame(Object.keys(asked.digests), ['admin.token', 'issuers[0].jwks_url'])
  t.strictSame(compare(asked), { ok: true, differing: [] })
  t.strictSame(compare(digestSecrets(config('other-other-other', 'y'), isSecretPath, SALT)), {
    ok: true,
    differing: ['admin.token', 'issuers[0].jwks_url']
  })
  for (const wrong of [
    null,
    7,
    {},
    { salt: 'x', digests: {} },
    { salt: SALT, digests: { a: 'b' } },
    { salt: SALT, digests: { a: null } }
  ]) {
    t.strictSame(compare(wrong), { ok: false, why: 'invalid' })
  }
})

t.test('whoever guesses by it has ten guesses a minute', async t => {
  let now = 0
  const compare = createComparer({
    running: () => config('first-first-first', 'x'),
    isSecret: isSecretPath,
    nowMs: () => now
  })
  const guess = () => compare(digestSecrets(config('guess-guess-guess', 'x'), isSecretPath, SALT)).ok
  t.strictSame(Array.from({ length: 12 }, guess), [...Array(10).fill(true), false, false])
  now = 60_000
  t.ok(guess())
})
