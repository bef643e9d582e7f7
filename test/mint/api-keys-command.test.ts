import { readFileSync, statSync } from 'node:fs'
import t, { type Test } from 'tap'
import { findApiKey } from '../../src/mint/api-keys.ts'
import { runApiKeys } from '../../src/mint/api-keys-command.ts'
import { tools } from '../helpers/account-tools.ts'
import { Written } from '../helpers/written.ts'

const NOW = Date.parse('2026-06-01T00:00:00Z')

function scene(t: Test) {
  const file = `${t.testdir()}/api-keys.yaml`
  const run = async (...argv: readonly string[]) => {
    const [stdout, stderr] = [new Written(), new Written()]
    const code = await runApiKeys([...argv, '--file', file], { stdout, stderr, tools, nowMs: () => NOW })
    return { code, out: stdout.text, err: stderr.text }
  }
  return { file, run }
}

t.test('a key is shown once, and the file knows it again without holding it', async t => {
  const { file, run } = scene(t)
  const made = await run('create', '--team', 'red', '--sub', 'ci', '--scope', 'infer:text', '--expires', '90d')
  t.equal(made.code, 0)
  t.match(made.out, /^tg_[0-9A-Za-z]{12}_[0-9A-Za-z]{43}\n$/, 'nothing else on standard output')
  const key = made.out.trim()
  const text = readFileSync(file, 'utf8')
  t.notOk(text.includes(key.slice(17)))
  t.notOk(made.err.includes(key.slice(17)))
  t.equal(statSync(file).mode & 0o777, 0o600)
  t.match(findApiKey(key, tools.apiKeys(file)), {
    subject: 'ci',
    team: 'red',
    scopes: ['infer:text'],
    expiresAtMs: NOW + 90 * 86_400_000
  })
})

t.test('keys are listed without what opens anything, and revoked by their id', async t => {
  const { run } = scene(t)
  const create = ['create', '--team', 'red', '--sub', 'ci', '--scope', 'a b', '--format', 'json']
  const { id } = JSON.parse((await run(...create, '--from', '10.0.0.0/8', '--from', '2001:db8::/32')).out)
  const other = JSON.parse((await run(...create, '--role', 'robot')).out)
  const list = async () => JSON.parse((await run('list', '--format', 'json')).out).api_keys
  t.match(await list(), [
    { id, sub: 'ci', scopes: ['a', 'b'], from: ['10.0.0.0/8', '2001:db8::/32'], state: 'active', expires: null },
    { id: other.id, role: 'robot' }
  ])
  t.match((await run('list')).out, new RegExp(`^ID .*\\n${id} +ci `))
  t.equal((await run('revoke', `tg_${id}`)).code, 0)
  t.match(await list(), [{ id: other.id }])
  t.match(await run('revoke', id), { code: 1, err: /there is no key/ })
})

t.test('what a terminal would obey is escaped in what is listed', async t => {
  const { run } = scene(t)
  const odd = 'ci\u009b2J\u202e\u2028'
  await run('create', '--team', `red${odd}`, '--sub', odd, '--scope', 'a', '--role', odd)
  for (const format of ['text', 'json']) {
    const { out } = await run('list', '--format', format)
    t.notMatch(out.replaceAll('\n', ''), /[\p{C}\p{Zl}\p{Zp}]/u, format)
    t.match(out, /ci\\u009b2J\\u202e\\u2028/, format)
  }
})

t.test('mistakes are named, and nothing is made', async t => {
  const { run } = scene(t)
  const create = ['create', '--team', 'red', '--sub', 'ci', '--scope', 'a']
  for (const argv of [
    [],
    ['fly'],
    ['revoke'],
    ['list', 'x'],
    ['create', '--team', 'red', '--sub', 'ci'],
    ['create', '--team', 'red', '--scope', 'a'],
    [...create, '--expires', 'soon'],
    [...create, '--format', 'xml']
  ]) {
    t.equal((await run(...argv)).code, 2, argv.join(' '))
  }
  t.match(await run(...create, '--from', '10.0.0.0/99'), { code: 1, out: '', err: /network/ })
  t.match(await run('--help'), { code: 0, out: /Usage: tollgate api-keys/ })
})
