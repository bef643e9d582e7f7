import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync
} from 'node:fs'
import t from 'tap'
import { KeyRingError, makeKey } from '../../src/mint/key-file.ts'
import {
  placeKey,
  prepareFolder,
  readFolder,
  readFolderLater,
  removeKey,
  replaceKey,
  writePublic
} from '../../src/mint/key-folder.ts'

const keyOf = (generation: number) => ({
  ...makeKey('EdDSA'),
  generation,
  createdAtMs: 1_000,
  signsFromMs: 1_000,
  keepMs: 5_000
})

t.test('of two programs that place a key at once one is first, and both read its key', async t => {
  const dir = `${t.testdir()}/keys`
  prepareFolder(dir, 0)
  const first = keyOf(1)
  t.equal(placeKey(dir, first), true)
  t.equal(placeKey(dir, keyOf(1)), false)
  t.strictSame([...readFolder(dir).keys.values()], [first])
  t.strictSame(await readFolderLater(dir), readFolder(dir))
  t.equal(statSync(`${dir}/key-000001.json`).mode & 0o777, 0o600)
  t.strictSame(readdirSync(dir), ['key-000001.json'], 'no draft stays')
})

t.test('what cannot be used is said by its place, and takes nothing from the others', async t => {
  const dir = `${t.testdir()}/keys`
  prepareFolder(dir, 0)
  for (const generation of [1, 2, 3]) placeKey(dir, keyOf(generation))
  chmodSync(`${dir}/key-000001.json`, 0o640)
  writeFileSync(`${dir}/key-000002.json`, readFileSync(`${dir}/key-000002.json`, 'utf8').slice(0, 60))
  for (const { keys, faults } of [readFolder(dir), await readFolderLater(dir)]) {
    t.strictSame(
      [...keys].map(([name, key]) => [name, key === null]),
      [
        ['key-000001.json', true],
        ['key-000002.json', true],
        ['key-000003.json', false]
      ]
    )
    t.match(faults, [/key-000001\.json can be read by others/, /key-000002\.json is not a key/])
    t.notMatch(faults.join(), /"d"|kty/, 'and nothing of a file')
  }
})

t.test('a folder that others may write to is refused: they could have keys of their own believed', async t => {
  const dir = `${t.testdir()}/keys`
  mkdirSync(dir)
  chmodSync(dir, 0o770)
  t.throws(() => prepareFolder(dir, 0), KeyRingError)
  t.match(readFolder(dir).faults, [/chmod 700/])
})

t.test('a key is replaced whole, is taken away once, and drafts of the dead are swept', async t => {
  const dir = `${t.testdir()}/keys`
  prepareFolder(dir, 0)
  const key = keyOf(1)
  placeKey(dir, key)
  replaceKey(dir, { ...key, signsFromMs: 0 })
  t.match([...readFolder(dir).keys.values()], [{ kid: key.kid, signsFromMs: 0 }])
  removeKey(dir, key)
  removeKey(dir, key)
  t.equal(readFolder(dir).keys.size, 0)
  writeFileSync(`${dir}/.draft-0123456789ab`, 'x')
  writeFileSync(`${dir}/.draft-ba9876543210`, 'x')
  utimesSync(`${dir}/.draft-0123456789ab`, 1, 1)
  prepareFolder(dir, 0)
  t.strictSame(readdirSync(dir), ['.draft-ba9876543210'])
})

t.test('the public set is written for everybody to read, and only when it is another one', async t => {
  const dir = `${t.testdir()}/keys`
  prepareFolder(dir, 0)
  const key = keyOf(1)
  writePublic(dir, [key])
  const before = statSync(`${dir}/jwks.json`)
  t.equal(before.mode & 0o777, 0o644)
  writePublic(dir, [key])
  t.equal(statSync(`${dir}/jwks.json`).ino, before.ino)
  writePublic(dir, [key, keyOf(2)])
  t.equal(JSON.parse(readFileSync(`${dir}/jwks.json`, 'utf8')).keys.length, 2)
})

const AS_ROOT = process.getuid?.() === 0 ? {} : { skip: 'only root can give files away' }

t.test('keys and folders of another user are not believed: their owner could put in keys', AS_ROOT, async t => {
  const dir = `${t.testdir()}/keys`
  prepareFolder(dir, 0)
  placeKey(dir, keyOf(1))
  chownSync(`${dir}/key-000001.json`, 12_345, 12_345)
  for (const { keys, faults } of [readFolder(dir), await readFolderLater(dir)]) {
    t.strictSame([...keys.values()], [null])
    t.match(faults, [/key-000001\.json belongs to another user \(uid 12345\)/])
  }
  chownSync(dir, 12_345, 12_345)
  t.throws(() => prepareFolder(dir, 0), { name: 'KeyRingError', message: /belongs to another user \(uid 12345\)/ })
  t.match(readFolder(dir, { isOperator: true }), { faults: [], keys: new Map([['key-000001.json', Object]]) })
})

t.test('what root makes in the folder of a gate belongs to the gate', AS_ROOT, async t => {
  const dir = `${t.testdir()}/keys`
  prepareFolder(dir, 0)
  chownSync(dir, 12_345, 12_345)
  placeKey(dir, keyOf(1))
  t.match(statSync(`${dir}/key-000001.json`), { uid: 12_345, gid: 12_345 })
})
