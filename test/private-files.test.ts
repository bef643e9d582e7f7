import {
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
  writeSync
} from 'node:fs'
import t from 'tap'
import { isExposed, isForeign, isWritableByOthers, LinkError, openOrMake } from '../src/private-files.ts'

const own = process.getuid?.() ?? 0

t.test('a file is of root or of whoever runs this; root alone may look after the files of another', async t => {
  t.notOk(isForeign({ uid: own }))
  t.notOk(isForeign({ uid: 0 }))
  t.ok(isForeign({ uid: 12_345 }))
  t.equal(isForeign({ uid: 12_345 }, { isOperator: true }), own !== 0)
})

t.test('a secret is for its owner alone, or for the group that root has mounted it for', async t => {
  const of = (mode: number, uid = own, gid = own) => ({ uid, gid, mode })
  t.notOk(isExposed(of(0o600)))
  t.notOk(isExposed(of(0o400)))
  for (const mode of [0o640, 0o620, 0o604, 0o602, 0o601, 0o666]) t.ok(isExposed(of(mode)), mode.toString(8))
  // Kubernetes with fsGroup: root:2000, 0440.
  t.notOk(isExposed(of(0o440, 0, 2_000)))
  for (const mode of [0o460, 0o444, 0o442]) t.ok(isExposed(of(mode, 0, 2_000)), mode.toString(8))
  t.ok(isWritableByOthers({ mode: 0o720 }) && isWritableByOthers({ mode: 0o702 }))
  t.notOk(isWritableByOthers({ mode: 0o755 }))
})

t.test('a file is made where there is none, and never through a link', async t => {
  const dir = t.testdir({ there: 'old\n' })
  const append = (name: string) => openOrMake(`${dir}/${name}`, constants.O_WRONLY | constants.O_APPEND, 0o640)
  writeSync(append('new'), 'x')
  t.equal(readFileSync(`${dir}/new`, 'utf8'), 'x')
  symlinkSync(`${dir}/there`, `${dir}/good-link`)
  writeSync(append('good-link'), 'new\n')
  t.equal(readFileSync(`${dir}/there`, 'utf8'), 'old\nnew\n', 'a log may be a link to another disk')
  symlinkSync(`${dir}/nowhere`, `${dir}/bad-link`)
  t.throws(() => append('bad-link'), {
    name: 'LinkError',
    code: 'ELINK',
    message: /bad-link is a link to what is not there/
  })
  t.notOk(existsSync(`${dir}/nowhere`))
  mkdirSync(`${dir}/folder`)
  t.throws(() => append('folder'), { code: 'EISDIR' })
  writeFileSync(`${dir}/mine`, '', { mode: 0o600 })
  chmodSync(`${dir}/mine`, 0o600)
  t.ok(append('mine') > 0)
  t.ok(new LinkError('a', ' b').syscall, 'commands say it as they say errors of the file system')
})
