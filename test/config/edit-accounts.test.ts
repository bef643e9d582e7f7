import { lstatSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { editAccounts } from '../../src/config/edit-accounts.ts'
import { dummyHash, phcText } from '../../src/mint/passwords.ts'
import { takeLock } from '../../src/segments/lock.ts'

const password = phcText(dummyHash())
const entry = { password, team: 'red', scopes: ['infer:text'] }
const TEXT = `# who may log in
users:
  # the first of all
  ada: { password: "${password}", team: red, scopes: [ infer:text ] } # keep
`

t.test('comments stay, and so does what was not changed', async t => {
  const file = `${t.testdir()}/users.yaml`
  writeFileSync(file, TEXT, { mode: 0o600 })
  editAccounts(file, 'users', entries => {
    entries.add('bob', entry)
    entries.set('bob', 'suspended', true)
  })
  const text = readFileSync(file, 'utf8')
  t.ok(text.startsWith(TEXT), text)
  t.match(
    text.slice(TEXT.length),
    /^ {2}bob:\n {4}password: \$argon2id.*\n {4}team: red\n {4}scopes: \[.*\]\n {4}suspended: true\n$/
  )
  editAccounts(file, 'users', entries => entries.remove('bob'))
  t.equal(readFileSync(file, 'utf8'), TEXT)
  t.equal(statSync(file).mode & 0o777, 0o600)
})

t.test('a file is made for its owner alone, and only where that was asked for', async t => {
  const file = `${t.testdir()}/users.yaml`
  t.throws(() => editAccounts(file, 'users', () => {}), { message: /there is no file/ })
  editAccounts(file, 'users', entries => entries.add('ada', entry), { mayMake: true })
  t.equal(statSync(file).mode & 0o777, 0o600)
  t.match(readFileSync(file, 'utf8'), /^users:\n {2}ada:\n/)
  editAccounts(file, 'users', entries => entries.remove('ada'))
  t.equal(readFileSync(file, 'utf8'), 'users: {}\n')
})

t.test('a file with faults, and a change that would make one, leave it as it was', async t => {
  const dir = t.testdir()
  const file = `${dir}/users.yaml`
  writeFileSync(file, 'users: { ada: { team: red } }\n', { mode: 0o600 })
  t.throws(() => editAccounts(file, 'users', entries => entries.remove('ada')), { name: 'EditError', message: /E202/ })
  writeFileSync(file, TEXT)
  t.throws(() => editAccounts(file, 'users', entries => entries.add('bob', { ...entry, password: 'x' })), {
    name: 'EditError'
  })
  t.equal(readFileSync(file, 'utf8'), TEXT)
  t.strictSame(readdirSync(dir).sort(), ['users.yaml', 'users.yaml.lock'], 'no draft is left behind')
})

t.test('two programs do not edit at once', async t => {
  const file = `${t.testdir()}/users.yaml`
  writeFileSync(file, TEXT, { mode: 0o600 })
  const lock = takeLock(`${file}.lock`)
  t.throws(() => editAccounts(file, 'users', entries => entries.remove('ada')), { message: /another program/ })
  lock?.release()
  editAccounts(file, 'users', entries => entries.remove('ada'))
})

t.test('a link to the file stays a link', async t => {
  const dir = t.testdir({ real: {} })
  writeFileSync(`${dir}/real/users.yaml`, TEXT, { mode: 0o600 })
  symlinkSync('real/users.yaml', `${dir}/users.yaml`)
  editAccounts(`${dir}/users.yaml`, 'users', entries => entries.remove('ada'))
  t.equal(lstatSync(`${dir}/users.yaml`).isSymbolicLink(), true)
  t.match(readFileSync(`${dir}/real/users.yaml`, 'utf8'), /users:[^:]*\{\}\s*$/)
})
