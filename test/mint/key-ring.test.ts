import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { KeyRingError, openKeyRing, SIGNING_ALGORITHMS } from '../../src/mint/key-ring.ts'

t.test('the first opening makes the keys, the second finds them; the private one is for its owner alone', async t => {
  const dir = `${t.testdir()}/deep/keys`
  const first = openKeyRing(dir)
  t.equal(first.isNew, true)
  const second = openKeyRing(dir, { algorithm: 'RS256' })
  t.equal(second.isNew, false)
  t.strictSame(second.signing, first.signing)
  t.equal(statSync(`${dir}/key-000001.json`).mode & 0o777, 0o600)
  t.equal(statSync(dir).mode & 0o777, 0o700)
})

t.test('the public set holds no secret part, for any algorithm', async t => {
  for (const algorithm of SIGNING_ALGORITHMS) {
    const ring = openKeyRing(`${t.testdirName}-${algorithm}`, { algorithm })
    const [key] = JSON.parse(readFileSync(ring.jwksFile, 'utf8')).keys
    t.match(key, { kid: ring.signing.kid, alg: algorithm, use: 'sig' })
    for (const part of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k']) t.notOk(part in key, part)
  }
})

t.test('a private key that others can read, or half of one, is refused with what to do', async t => {
  const dir = `${t.testdir()}/keys`
  openKeyRing(dir)
  chmodSync(`${dir}/key-000001.json`, 0o644)
  t.throws(() => openKeyRing(dir), KeyRingError)
  chmodSync(`${dir}/key-000001.json`, 0o600)
  writeFileSync(`${dir}/key-000001.json`, '{"kid":')
  t.throws(() => openKeyRing(dir), KeyRingError)
})

t.test('a folder that cannot be made is said at once', async t => {
  t.throws(() => openKeyRing('/proc/nowhere/keys'), { code: 'ENOENT' })
})

t.test('the key of a folder of before goes on as the first one', async t => {
  const { signing } = openKeyRing(`${t.testdir()}/other`)
  const dir = `${t.testdirName}/keys`
  mkdirSync(dir, { mode: 0o700 })
  writeFileSync(`${dir}/signing-key.json`, JSON.stringify(signing), { mode: 0o600 })
  const ring = openKeyRing(dir)
  t.equal(ring.isNew, false)
  t.strictSame(ring.signing.kid, signing.kid)
  t.notOk(existsSync(`${dir}/signing-key.json`))
})
