import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { open, scene } from '../helpers/two-pools.ts'

const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url))

t.test('check --diff shows what a reload would change, which secrets are others, and none of them', async t => {
  const s = await scene(t)
  const keyed = (key: string, pool: string) => s.text(pool).replace('models: [m] }', `models: [m], api_key: ${key} }`)
  writeFileSync(s.file, keyed('first-key-of-the-pool', 'a'))
  await open(t, s)
  // Beside the file that runs, which would be followed.
  const next = `${s.dir}/next.yaml`
  writeFileSync(next, keyed('first-key-of-the-pool', 'a'))
  const diff = async (...more: string[]) => {
    const { stdout } = await promisify(execFile)(process.execPath, [
      CLI,
      'check',
      next,
      '--diff',
      '--url',
      s.adminUrl,
      ...more
    ])
    return stdout
  }
  t.equal(await diff(), 'Nothing would change.\n')
  writeFileSync(next, keyed('other-key-of-the-pool', 'b').replace('audit.log', 'other.log'))
  const text = await diff()
  t.match(text, /^pools\.a\.api_key "••••" → "••••"$/m)
  t.match(text, /^teams\.team-a\.pool "a" → "b"$/m)
  t.match(text, /^audit\.to .* \(needs a restart\)$/m)
  t.match(text, '3 changes. 1 of them need a restart')
  t.notMatch(text, 'key-of-the-pool')
  t.match(JSON.parse(await diff('--format', 'json')), { ok: true, changes: [{ path: String, needsRestart: Boolean }] })
  writeFileSync(next, 'pools: 7\n')
  await t.rejects(diff(), { code: 1 })
  writeFileSync(next, s.text('a'))
  await t.rejects(diff('--url', 'http://127.0.0.1:1'), { code: 2, stderr: /does not answer/ })
})
