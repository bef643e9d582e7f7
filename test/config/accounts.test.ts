import { chmodSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { loadApiKeys, loadUsers, parseApiKeys, parseUsers } from '../../src/config/accounts.ts'
import { dummyHash, phcText } from '../../src/mint/passwords.ts'

const password = phcText(dummyHash())

t.test('every fault of a users file shows at once, with its line', async t => {
  const text = `users:
  ada: { password: "${password}", team: red, scopes: [infer:text] }
  Bob: { password: "${password}", team: red, scopes: [infer:text] }
  eve: { password: hunter2, team: red, scopes: [], rolle: x }
`
  const { ok, faults } = parseUsers(text, 'users.yaml')
  t.equal(ok, false)
  t.match(
    faults.map(({ code, line }) => [code, line]),
    [
      ['E362', 3],
      ['E205', 4],
      ['E205', 4],
      ['E201', 4]
    ]
  )
  t.notMatch(JSON.stringify(faults), /hunter2/, 'no report repeats what was put for a password')
})

t.test('a file says its mode and that it cannot be read', async t => {
  const file = `${t.testdir()}/api-keys.yaml`
  t.match(loadApiKeys(file), { ok: false, faults: [{ code: 'E360' }] })
  writeFileSync(file, 'api_keys: {}\n', { mode: 0o600 })
  t.match(loadApiKeys(file), { ok: true })
  for (const mode of [0o640, 0o604, 0o660]) {
    chmodSync(file, mode)
    t.match(loadApiKeys(file), { ok: false, faults: [{ code: 'E361', hint: `run: chmod 600 ${file}` }] })
  }
  t.match(loadUsers('/nowhere/users.yaml'), { ok: false, faults: [{ message: 'the file cannot be read (ENOENT)' }] })
})

t.test('an empty file, one that is no YAML and one of another kind are faults', async t => {
  t.match(parseUsers('', 'f').faults, [{ code: 'E103' }])
  t.match(parseUsers('users:\n\t- x', 'f').faults, [{ code: 'E101' }])
  t.match(parseUsers('api_keys: {}', 'f').faults, [{ code: 'E202' }, { code: 'E201' }])
  t.match(parseApiKeys('api_keys: { x: { digest: "sha256:00", sub: a, team: b, scopes: [c] } }', 'f'), { ok: false })
  t.match(parseUsers('users: {}', 'f'), { ok: true })
})
