import t from 'tap'
import { apiKeysFrom, checkApiKeys, checkUsers, readTimeMs, usersFrom } from '../../src/mint/accounts-file.ts'
import { COST, dummyHash, phcText } from '../../src/mint/passwords.ts'
import { CHEAP } from '../helpers/accounts.ts'

const user = { password: phcText(dummyHash(COST)), team: 'red', scopes: ['infer:text', 'infer:text'], suspended: false }
const codesOf = (value: unknown) => checkUsers(value).map(({ code, path }) => `${code} ${path.join('.')}`)

t.test('users are what their file says', async t => {
  const users = usersFrom({ users: { ada: { ...user, role: 'dev', expires: '2027-01-31', suspended: true } } })
  t.match(users.get('ada'), {
    subject: 'ada',
    team: 'red',
    scopes: ['infer:text'],
    role: 'dev',
    expiresAtMs: Date.parse('2027-01-31T00:00:00Z'),
    isSuspended: true,
    password: { memoryKib: 19456 }
  })
})

t.test('a name that nobody could log in with, or that stands twice, is a fault', async t => {
  t.strictSame(codesOf({ users: { ada: user } }), [])
  t.strictSame(codesOf({ users: { 'a b': user } }), ['E362 users.a b'])
  t.strictSame(codesOf({ users: { ada: user, Ada: user } }), ['E362 users.Ada', 'E362 users.Ada'])
})

t.test('half a hash is a fault, one of other parameters a warning, and a day that there is not a fault', async t => {
  t.strictSame(codesOf({ users: { ada: { ...user, password: user.password.slice(0, 50) } } }), [
    'E363 users.ada.password'
  ])
  t.match(checkUsers({ users: { ada: { ...user, password: phcText(dummyHash(CHEAP)) } } }), [
    { code: 'W419', severity: 'warning' }
  ])
  t.strictSame(codesOf({ users: { ada: { ...user, expires: '2027-02-30' } } }), ['E365 users.ada.expires'])
})

t.test('whatever stands in the file, the checks do not fail', async t => {
  for (const value of [
    null,
    [],
    'x',
    { users: null },
    { users: [1] },
    { users: { ada: null } },
    { users: { ada: 1 } }
  ]) {
    t.doesNotThrow(() => [checkUsers(value), checkApiKeys(value)])
  }
})

t.test('API keys are what their file says, and their ids have the shape of ids', async t => {
  const yaml = { digest: `sha256:${'ab'.repeat(32)}`, sub: 'robot', team: 'red', scopes: ['a'], from: ['10.0.0.0/8'] }
  const keys = apiKeysFrom({ api_keys: { Abcdefgh1234: yaml } })
  t.match(keys.get('Abcdefgh1234'), { id: 'Abcdefgh1234', subject: 'robot', from: ['10.0.0.0/8'], expiresAtMs: null })
  t.equal(keys.get('Abcdefgh1234')?.digest.toString('hex'), 'ab'.repeat(32))
  t.match(checkApiKeys({ api_keys: { short: yaml } }), [{ code: 'E364', at: 'key' }])
})

t.test('a time is a day in UTC, or a time with its zone', async t => {
  t.equal(readTimeMs('2027-01-31'), Date.UTC(2027, 0, 31))
  t.equal(readTimeMs('2027-01-31T12:00:00+02:00'), Date.UTC(2027, 0, 31, 10))
  for (const text of ['2027-02-30', '2027-13-01', 'soon', '']) t.equal(readTimeMs(text), null, text)
})
