import { readFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import t, { type Test } from 'tap'
import { readPhc, verifyPasswordSync } from '../../src/mint/passwords.ts'
import { runUsers } from '../../src/mint/users-command.ts'
import { tools } from '../helpers/account-tools.ts'
import { Written } from '../helpers/written.ts'

function scene(t: Test) {
  const file = `${t.testdir()}/users.yaml`
  const run = async (argv: readonly string[], typed = 'correct horse\n') => {
    const [stdout, stderr] = [new Written(), new Written()]
    const code = await runUsers([...argv, '--file', file], { stdin: Readable.from([typed]), stdout, stderr, tools })
    return { code, out: stdout.text, err: stderr.text }
  }
  const passwordOf = (name: string) => {
    const kept = readPhc(/password: (\S+)/.exec(readFileSync(file, 'utf8').split(`${name}:`)[1] ?? '')?.[1] ?? '')
    if (kept === null) throw new Error('no hash')
    return kept
  }
  return { file, run, passwordOf }
}

t.test('a user is added with a password from standard input, suspended, resumed, and removed', async t => {
  const { file, run, passwordOf } = scene(t)
  const add = ['add', 'Ada', '--team', 'red', '--scope', 'infer:text model:m:inference', '--role', 'dev']
  t.match(await run([...add, '--expires', '2099-01-31']), { code: 0, out: '', err: /add ada: done/ })
  t.notMatch(readFileSync(file, 'utf8'), /correct horse/)
  t.equal(verifyPasswordSync('correct horse', passwordOf('ada')), true)
  const list = async () => JSON.parse((await run(['list', '--format', 'json'])).out).users
  t.strictSame(await list(), [
    {
      name: 'ada',
      team: 'red',
      scopes: ['infer:text', 'model:m:inference'],
      role: 'dev',
      state: 'active',
      expires: '2099-01-31T00:00:00.000Z',
      rehash: false
    }
  ])
  t.equal((await run(['suspend', 'ADA'])).code, 0)
  t.match(await list(), [{ state: 'suspended' }])
  t.match((await run(['list'])).out, /^NAME +TEAM +SCOPES .*\nada +red .* suspended /)
  t.equal((await run(['resume', 'ada'])).code, 0)
  t.match(await list(), [{ state: 'active' }])
  t.equal((await run(['passwd', 'ada'], 'another one\n')).code, 0)
  t.equal(verifyPasswordSync('another one', passwordOf('ada')), true)
  t.equal((await run(['remove', 'ada'])).code, 0)
  t.strictSame(await list(), [])
})

t.test('what cannot be done changes nothing and is said', async t => {
  const { run } = scene(t)
  const add = ['add', 'ada', '--team', 'red', '--scope', 'a']
  t.match(await run(['list']), { code: 1, err: /ENOENT/ })
  t.match(await run(add, '\n'), { code: 1, err: /1 to 128 letters/ })
  t.match(await run(add, `${'x'.repeat(129)}\n`), { code: 1, err: /1 to 128 letters/ })
  t.match(await run(add), { code: 0 })
  t.match(await run(add), { code: 1, err: /there is a user ada already/ })
  t.match(await run(['suspend', 'bob']), { code: 1, err: /there is no user bob/ })
  t.match(await run(['add', 'eve', '--team', 'red', '--scope', 'a"b']), { code: 1, err: /E205/ })
})

t.test('wrong usage is told from what cannot be done', async t => {
  const { run } = scene(t)
  for (const argv of [
    [],
    ['fly'],
    ['add'],
    ['add', 'a', 'b'],
    ['list', 'ada'],
    ['list', '--format', 'xml'],
    ['add', 'a b', '--team', 'red', '--scope', 'a'],
    ['add', 'ada', '--scope', 'a'],
    ['add', 'ada', '--team', 'red'],
    ['add', 'ada', '--team', 'red', '--scope', 'a', '--expires', 'soon']
  ]) {
    t.equal((await run(argv)).code, 2, argv.join(' '))
  }
  t.match(await run(['--help']), { code: 0, out: /Usage: tollgate users/ })
})

t.test('no option takes a password', async t => {
  const { run } = scene(t)
  await t.rejects(run(['add', 'ada', '--password', 'x']), { code: 'ERR_PARSE_ARGS_UNKNOWN_OPTION' })
})
