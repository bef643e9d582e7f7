import t from 'tap'
import { findApiKey, idOf, makeApiKey, mayUseFrom } from '../../src/mint/api-keys.ts'
import { apiKeyOf } from '../helpers/accounts.ts'

t.test('a key names itself and has 256 bits that nobody can guess', async t => {
  const made = Array.from({ length: 50 }, makeApiKey)
  for (const { id, key, digest } of made) {
    t.match(key, /^tg_[0-9A-Za-z]{12}_[0-9A-Za-z]{43}$/)
    t.equal(idOf(key), id)
    t.equal(digest.length, 32)
    t.notOk(key.includes(digest.toString('hex')))
  }
  t.equal(new Set(made.map(({ key }) => key)).size, 50)
})

t.test('a key is found by its id and by every letter of its secret', async t => {
  const { key, kept } = apiKeyOf()
  const keys = new Map([[kept.id, kept]])
  t.equal(findApiKey(key, keys), kept)
  const other = key.endsWith('0') ? '1' : '0'
  for (const text of [
    `${key.slice(0, -1)}${other}`,
    makeApiKey().key,
    key.slice(0, -1),
    `${key}0`,
    ` ${key}`,
    kept.id,
    `tg_${kept.id}_`,
    'tg___proto___x',
    ''
  ]) {
    t.equal(findApiKey(text, keys), null, text)
  }
  t.equal(findApiKey(key, new Map()), null)
})

t.test('a key with networks is good from those alone', async t => {
  t.equal(mayUseFrom({ from: [] }, '203.0.113.7'), true)
  const from = ['10.0.0.0/8', '203.0.113.7', '2001:db8::/32']
  for (const ip of ['10.1.2.3', '203.0.113.7', '2001:db8::5']) t.equal(mayUseFrom({ from }, ip), true, ip)
  for (const ip of ['11.1.2.3', '203.0.113.8', '2001:db9::5']) t.equal(mayUseFrom({ from }, ip), false, ip)
})
