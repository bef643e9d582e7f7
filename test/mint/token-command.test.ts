import { decodeJwt } from 'jose'
import t from 'tap'
import { runToken } from '../../src/mint/token-command.ts'
import { Written } from '../helpers/written.ts'

async function run(...argv: string[]) {
  const stdout = new Written()
  const stderr = new Written()
  const code = await runToken(argv, { stdout, stderr })
  return { code, out: stdout.text, err: stderr.text }
}

t.test('standard output has the token and nothing else; the first use says where the keys are', async t => {
  const keys = `${t.testdir()}/keys`
  const first = await run(
    '--keys',
    keys,
    '--sub',
    'ada',
    '--team',
    'blue',
    '--scope',
    'infer:text task:x',
    '--role',
    'dev',
    '--ttl',
    '5m'
  )
  t.equal(first.code, 0)
  t.match(first.err, /jwks\.json/)
  const claims = decodeJwt(first.out.trim())
  t.match(claims, { sub: 'ada', team_id: 'blue', scope: 'infer:text task:x', role: 'dev' })
  t.equal((claims.exp ?? 0) - (claims.iat ?? 0), 300)
  t.equal((await run('--keys', keys)).err, '')
  t.match(JSON.parse((await run('--keys', keys, '--format', 'json')).out), { expiresInSec: 900 })
  t.match(JSON.parse((await run('--keys', keys, '--print-jwks')).out), { keys: [{ use: 'sig' }] })
})

t.test('a lifetime that gates refuse is said, and every mistake is named', async t => {
  const keys = `${t.testdir()}/keys`
  t.match((await run('--keys', keys, '--ttl', '2h')).err, /max_lifetime/)
  for (const argv of [
    ['--alg', 'HS256'],
    ['--ttl', '15'],
    ['--ttl', '0s'],
    ['--format', 'xml']
  ]) {
    const { code, err } = await run('--keys', keys, ...argv)
    t.equal(code, 2, argv.join(' '))
    t.match(err, new RegExp(argv[0] ?? ''))
  }
  t.equal((await run('--help')).code, 0)
  const file = t.testdir({ file: 'x' })
  t.equal((await run('--keys', `${file}/file/keys`)).code, 1)
})
