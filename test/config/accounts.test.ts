import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
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

const AS_ROOT = process.getuid?.() === 0 ? {} : { skip: 'only root can give files away' }

t.test('a gate takes no accounts from a file of another user; root may edit those of the gate', AS_ROOT, async t => {
  const file = `${t.testdir()}/keys.yaml`
  writeFileSync(file, 'api_keys: {}\n', { mode: 0o600 })
  chownSync(file, 12_345, 12_345)
  t.match(loadApiKeys(file), {
    ok: false,
    faults: [{ code: 'E361', message: 'the file belongs to another user (uid 12345)', hint: `run: chown 0 ${file}` }]
  })
  t.match(loadApiKeys(file, { isOperator: true }), { ok: true })
})

t.test('a secret that Kubernetes mounts works: links, owned by root, readable for fsGroup', AS_ROOT, async t => {
  const dir = t.testdir()
  const data = join(dir, '..2026_11_30')
  mkdirSync(data)
  writeFileSync(join(data, 'users.yaml'), 'users: {}\n', { mode: 0o440 })
  chmodSync(join(data, 'users.yaml'), 0o440)
  chownSync(join(data, 'users.yaml'), 0, 2_000)
  symlinkSync('..2026_11_30', join(dir, '..data'))
  symlinkSync('..data/users.yaml', join(dir, 'users.yaml'))
  t.match(loadUsers(join(dir, 'users.yaml')), { ok: true })
  // As the user that a pod runs as, where that user can reach this very checkout.
  const module = new URL('../../src/config/accounts.ts', import.meta.url)
  const as = (command: string, args: readonly string[]) =>
    spawnSync('setpriv', ['--reuid', '10001', '--regid', '2000', '--clear-groups', command, ...args], {
      encoding: 'utf8'
    })
  if (as('test', ['-r', fileURLToPath(module)]).status !== 0) return
  const script = `import { loadUsers } from '${module.href}'; console.log(loadUsers('${join(dir, 'users.yaml')}').ok)`
  const { stdout, stderr } = as(process.execPath, ['--input-type=module-typescript', '-e', script])
  t.equal(stdout.trim(), 'true', stderr)
})
