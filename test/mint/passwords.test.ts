import t from 'tap'
import {
  COST,
  dummyHash,
  hashPassword,
  isDated,
  phcText,
  readPassword,
  readPhc,
  verifyPasswordSync
} from '../../src/mint/passwords.ts'
import { CHEAP } from '../helpers/accounts.ts'

t.test('a password is known again from the text that is kept, and another one is not', async t => {
  const kept = readPhc(phcText(await hashPassword('correct horse', CHEAP)))
  if (kept === null) throw new Error('unreadable')
  t.equal(verifyPasswordSync('correct horse', kept), true)
  t.equal(verifyPasswordSync('correct horsf', kept), false)
})

t.test('new passwords cost what OWASP asks for at least, and two of the same do not look alike', async t => {
  const [one, other] = [phcText(await hashPassword('same')), phcText(await hashPassword('same'))]
  t.match(one, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/)
  t.not(one, other)
})

t.test('a hash that another program made is understood', async t => {
  // RFC 9106 has no vector without key and data; this is the one of the reference implementation's own tests.
  const kept = readPhc('$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc')
  if (kept === null) throw new Error('unreadable')
  t.equal(verifyPasswordSync('password', kept), true)
  t.equal(isDated(kept), true)
  t.equal(isDated(dummyHash()), false)
})

t.test('texts that are no whole hash, or would cost a login too much, are not read', async t => {
  const whole = phcText(dummyHash(COST))
  t.not(readPhc(whole), null)
  for (const text of [
    '',
    whole.slice(0, 40),
    whole.slice(0, whole.lastIndexOf('$')),
    whole.replace('argon2id', 'argon2i'),
    whole.replace('v=19', 'v=16'),
    whole.replace('m=19456', 'm=4'),
    whole.replace('m=19456', 'm=999999'),
    whole.replace('t=2', 't=0'),
    whole.replace('t=2', 't=99'),
    whole.replace('p=1', 'p=64'),
    `${whole}$`
  ]) {
    t.equal(readPhc(text), null, text)
  }
})

t.test('a password has up to 128 letters, however they are written', async t => {
  t.equal(readPassword(''), null)
  t.equal(readPassword('x'.repeat(128))?.length, 128)
  t.equal(readPassword('x'.repeat(129)), null)
  t.not(readPassword('🔑'.repeat(128)), null)
  t.equal(readPassword('x'.repeat(1_000_000)), null)
  t.equal(readPassword('e\u0301'), readPassword('\u00e9'), 'an accent is the same in both ways')
})

t.test('what stands for nobody is never anybody', async t => {
  t.equal(verifyPasswordSync('', dummyHash(CHEAP)), false)
})
