import t from 'tap'
import { CommandError, columns, fileFrom, runSaying, scopesFrom } from '../../src/mint/account-tools.ts'
import { tools } from '../helpers/account-tools.ts'
import { Written } from '../helpers/written.ts'

t.test('the file is named by itself or by the configuration, and by one of both', async t => {
  t.equal(fileFrom({ file: 'users.yaml' }, 'users', tools), 'users.yaml')
  t.equal(fileFrom({ config: 'c' }, 'users', tools), 'c-names-it')
  t.throws(() => fileFrom({}, 'users', tools), CommandError)
  t.throws(() => fileFrom({ file: 'a', config: 'b' }, 'users', tools), CommandError)
})

t.test('what cannot be done is said in a line, and a mistake of ours is not hidden', async t => {
  const stderr = new Written()
  const run = (err: unknown) => runSaying('users', { stderr }, () => Promise.reject(err))
  t.equal(await run(new CommandError(2, 'wrong')), 2)
  t.equal(await run(new CommandError(1, 'no')), 1)
  t.equal(await run(Object.assign(new Error('EACCES'), { syscall: 'open' })), 1)
  t.equal(stderr.text, 'tollgate users: wrong\ntollgate users: no\ntollgate users: EACCES\n')
  await t.rejects(run(new TypeError('ours')), TypeError)
})

t.test('columns are as wide as their widest value; scopes may come in one word or many', async t => {
  t.equal(
    columns([
      ['A', 'B'],
      ['long', 'x']
    ]),
    'A     B\nlong  x\n'
  )
  t.strictSame(scopesFrom(['a b', 'c', ' a ']), ['a', 'b', 'c'])
})
