import { existsSync, statSync, symlinkSync } from 'node:fs'
import t from 'tap'
import { makeFolder } from '../src/make-folder.ts'

t.test('a folder is made with those above it, and one that is there is left as it is', async t => {
  const dir = `${t.testdir()}/a/b/c`
  makeFolder(dir, 0o750)
  t.equal(statSync(dir).mode & 0o777, 0o750 & ~process.umask())
  makeFolder(dir, 0o700)
  t.equal(statSync(dir).mode & 0o777, 0o750 & ~process.umask())
  symlinkSync(dir, `${t.testdirName}/link`)
  makeFolder(`${t.testdirName}/link/d`, 0o750)
  t.ok(existsSync(`${dir}/d`))
})

t.test('what cannot be made is said at once: below a file, below /proc, behind a link to nothing', async t => {
  const dir = t.testdir({ file: '' })
  symlinkSync(`${dir}/nothing`, `${dir}/link`)
  t.throws(() => makeFolder(`${dir}/file`, 0o750), { code: 'EEXIST' })
  t.throws(() => makeFolder(`${dir}/file/a`, 0o750), { code: 'ENOTDIR' })
  t.throws(() => makeFolder('/proc/nowhere/a/b', 0o750), { code: 'ENOENT' })
  t.throws(() => makeFolder(`${dir}/link/a`, 0o750), { code: 'ENOENT' })
})
