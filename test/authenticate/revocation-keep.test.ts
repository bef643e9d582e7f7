import { readdirSync, statSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { readKept, writeKept } from '../../src/authenticate/revocation-keep.ts'
import { revocation } from '../helpers/revocations.ts'

t.test('what is written is read again, for its owner alone, and leaves no draft behind', async t => {
  const dir = t.testdir()
  const file = `${dir}/below/kept.json`
  t.strictSame(readKept(file), [])
  writeKept(file, [revocation()])
  writeKept(file, [revocation(), revocation({ id: 'r-2' })])
  t.strictSame(
    readKept(file).map(({ id }) => id),
    ['r-1', 'r-2']
  )
  t.equal(statSync(file).mode & 0o777, 0o600)
  t.strictSame(readdirSync(`${dir}/below`), ['kept.json'])
})

t.test('half of a file, or one of something else, is refused as a whole', async t => {
  const file = `${t.testdir()}/kept.json`
  const text = JSON.stringify({ version: 1, revocations: [revocation()] })
  for (const odd of ['', text.slice(0, -20), '{}', '{"revocations":[{}]}']) {
    writeFileSync(file, odd)
    t.throws(() => readKept(file), { name: 'RevocationFileError', message: /are damaged/ }, odd)
  }
  t.throws(() => readKept(t.testdirName), { message: /EISDIR/ })
})
