import { writeFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { accountsReport, loadUsers } from '../../src/config/accounts.ts'
import { AccountsError, openAccounts } from '../../src/mint/account-book.ts'
import { dummyHash, phcText } from '../../src/mint/passwords.ts'
import { until } from '../helpers/stores.ts'

const lineOf = (name: string) => `  ${name}: { password: "${phcText(dummyHash())}", team: red, scopes: [infer:text] }\n`

function scene(t: Test, text: string, mode = 0o600) {
  const file = `${t.testdir()}/users.yaml`
  writeFileSync(file, text, { mode })
  const said: { facts: Record<string, unknown>; message: string }[] = []
  const say = (facts: object, message: string) => void said.push({ facts: facts as Record<string, unknown>, message })
  const open = () => {
    const book = openAccounts(
      {
        users: file,
        apiKeys: null,
        readUsers: name => {
          const read = loadUsers(name)
          return read.ok ? read : { ok: false, report: accountsReport(read) }
        },
        readApiKeys: () => ({ ok: true, accounts: new Map() })
      },
      { log: { info: say, error: say }, lookMs: 5 }
    )
    t.teardown(() => book.close())
    return book
  }
  return { file, said, open }
}

t.test('a file that changes is followed', async t => {
  const { file, said, open } = scene(t, `users:\n${lineOf('ada')}`)
  const book = open()
  t.strictSame([...(book.users?.keys() ?? [])], ['ada'])
  t.equal(book.apiKeys, null)
  book.watch()
  writeFileSync(file, `users:\n${lineOf('ada')}${lineOf('bob')}`)
  await until(() => book.users?.has('bob') === true)
  t.match(said, [{ facts: { accounts: 2 } }])
})

t.test('a half-written file changes nothing, and the log says where it breaks off', async t => {
  const { file, said, open } = scene(t, `users:\n${lineOf('ada')}`)
  const book = open()
  book.watch()
  writeFileSync(file, `users:\n${lineOf('bob')}${lineOf('ada').slice(0, 60)}`)
  await until(() => said.length > 0)
  t.strictSame([...(book.users?.keys() ?? [])], ['ada'])
  t.match(said[0]?.facts.report, /users\.yaml:\d+:\d+ error E101/)
  t.notMatch(said[0]?.facts.report, /argon2id/, 'and no hash')
  writeFileSync(file, `users:\n${lineOf('bob')}${lineOf('ada')}`)
  await until(() => book.users?.size === 2)
})

t.test('an empty file and one that is gone change nothing either', async t => {
  const { file, said, open } = scene(t, `users:\n${lineOf('ada')}`)
  const book = open()
  book.watch()
  writeFileSync(file, '')
  await until(() => said.length === 1)
  t.equal(book.users?.size, 1)
  t.match(said[0]?.facts.report, /E103/)
})

t.test('a gate does not begin with a file that has faults, or that others can read', async t => {
  const broken = scene(t, 'users: { ada: { team: red } }\n')
  t.throws(broken.open, { name: 'AccountsError', message: /users\.yaml:1:\d+ error E202/ })
  const open = scene(t, `users:\n${lineOf('ada')}`, 0o640)
  t.throws(open.open, { message: /E361 the file can be read by others than its owner[\s\S]*chmod 600/ })
  t.throws(open.open, AccountsError)
})
