import t from 'tap'
import { isCompact, readUnverified } from '../../src/authenticate/jws.ts'

const b64 = (value: unknown) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
const token = (header: object, claims: object = {}) => `${b64(header)}.${b64(claims)}.AAAA`
const reasonOf = (text: string): unknown => {
  try {
    readUnverified(text)
    return 'pass'
  } catch (err) {
    return (err as { detail: { reason: unknown } }).detail.reason
  }
}
const GOOD = token({ alg: 'ES256' })

t.test('V2: three parts of base64url and nothing around them', async t => {
  t.equal(reasonOf(GOOD), 'pass')
  for (const odd of [
    `${GOOD}\n`,
    ` ${GOOD}`,
    `${GOOD}.`,
    `.${GOOD}`,
    `${GOOD}.AAAA.AAAA`,
    'a.b',
    '..',
    '{"payload":"x"}',
    GOOD.replace('.', '..')
  ]) {
    t.equal(reasonOf(odd), 'malformed', odd.slice(-12))
  }
})

t.test('V2, V24: the shape can be told without a look inside', async t => {
  t.equal(isCompact(GOOD), true)
  for (const odd of [`${GOOD}\n`, ` ${GOOD}`, `${GOOD}.`, 'a.b', 'a.b.c.d', 'a..c', 'ä.b.c', '.'.repeat(8000)])
    t.equal(isCompact(odd), false, odd.slice(-12))
})

t.test('V2: a token over 8 KiB is refused unread, and a million dots cost nothing', async t => {
  t.equal(reasonOf('a'.repeat(8193)), 'too_long')
  t.equal(reasonOf('.'.repeat(8000)), 'malformed')
})

t.test('one token has one spelling: the other fifteen of its last letter are refused', async t => {
  const [head, claims] = GOOD.split('.')
  // One byte is two letters, of which the last carries two bits.
  const spellings = [...'ABCDEFGHIJKLMNOP'].map(letter => reasonOf(`${head}.${claims}.A${letter}`))
  t.equal(spellings.filter(reason => reason === 'pass').length, 1)
})

t.test('V14, V15, V17: crit in any form, b64, zip, enc and cty are refused', async t => {
  t.equal(reasonOf(token({ alg: 'ES256', crit: ['b64'], b64: true })), 'crit')
  t.equal(reasonOf(token({ alg: 'ES256', crit: [] })), 'crit')
  for (const more of [{ b64: false }, { b64: true }, { zip: 'DEF' }, { enc: 'A256GCM' }, { cty: 'JWT' }]) {
    t.equal(reasonOf(token({ alg: 'ES256', ...more })), 'header_rejected')
  }
})

t.test('V6: a kid is a text of at most 256 letters', async t => {
  t.equal(reasonOf(token({ alg: 'ES256', kid: 1 })), 'header_rejected')
  t.equal(reasonOf(token({ alg: 'ES256', kid: 'k'.repeat(257) })), 'header_rejected')
  t.equal(readUnverified(token({ alg: 'ES256', kid: '__proto__' })).header.kid, '__proto__')
})

t.test('V16: keys and addresses of keys in the header are not looked at', async t => {
  const { header } = readUnverified(
    token({ alg: 'ES256', jwk: { kty: 'oct' }, jku: 'http://evil', x5u: 'http://evil', x5c: [] })
  )
  t.strictSame(header, { alg: 'ES256', kid: null, typ: null })
})

t.test('a header without an algorithm has none to offer', async t => {
  t.equal(reasonOf(token({})), 'alg_rejected')
  t.equal(reasonOf(token({ alg: ['ES256'] })), 'alg_rejected')
})
