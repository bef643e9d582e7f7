import { chmodSync, readdirSync, readFileSync, renameSync, unlinkSync, writeFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { tellOfKey } from '../../src/mint/key-line.ts'
import { ringTimes } from '../../src/mint/key-states.ts'
import { openLiveRing } from '../../src/mint/live-ring.ts'

const MINUTE = 60_000
const times = ringTimes({ rotateMs: 60 * MINUTE, waitMs: 15 * MINUTE, keepMs: 20 * MINUTE })

/** Gates that share a folder and a clock that the test moves. */
function scene(t: Test) {
  const dir = `${t.testdir()}/keys`
  let now = Date.parse('2026-11-25T12:00:00Z')
  let steady = 0
  const said: string[] = []
  const log = (facts: object, message: string) => void said.push(`${message} ${JSON.stringify(facts)}`)
  const gate = (offsetMs = 0) =>
    openLiveRing({
      dir,
      algorithm: 'ES256',
      times,
      nowMs: () => now + offsetMs,
      steadyMs: () => steady,
      onState: change => tellOfKey(change, { info: log, warn: log }),
      log: { info: log, warn: log, error: log }
    })
  return {
    dir,
    said,
    gate,
    pass(ms: number) {
      now += ms
      steady += ms
    },
    setClock(ms: number) {
      now += ms
    }
  }
}

const kidsOf = (ring: ReturnType<typeof openLiveRing>) => ring.publicJwks.keys.map(({ kid }) => kid)

t.test('two gates begin on an empty folder at once with one key, which signs', async t => {
  const s = scene(t)
  const [a, b] = [s.gate(), s.gate()]
  t.equal(a.signing.kid, b.signing.kid)
  t.strictSame(
    readdirSync(s.dir).sort(),
    ['jwks.json', 'key-000001.json'].slice(1),
    'the set is written with the first look'
  )
  await a.reread()
  t.strictSame(JSON.parse(readFileSync(`${s.dir}/jwks.json`, 'utf8')).keys, a.publicJwks.keys)
})

t.test(
  'gates rotate together, each key is published by both before it signs, and goes when its tokens are dead',
  async t => {
    const s = scene(t)
    const [a, b] = [s.gate(), s.gate()]
    const first = a.signing.kid
    s.pass(45 * MINUTE)
    await Promise.all([a.reread(), b.reread()])
    await Promise.all([a.reread(), b.reread()])
    t.equal(kidsOf(a).length, 2, 'one new key, not one of each gate')
    t.strictSame(kidsOf(a), kidsOf(b))
    t.equal(a.signing.kid, first)
    s.pass(15 * MINUTE)
    t.not(a.signing.kid, first, 'when its time has come, without another look')
    t.equal(b.signing.kid, a.signing.kid)
    t.ok(kidsOf(b).includes(first))
    s.pass(19 * MINUTE)
    await b.reread()
    t.ok(kidsOf(b).includes(first))
    s.pass(MINUTE + times.settleMs)
    await Promise.all([a.reread(), b.reread()])
    t.notOk(kidsOf(a).includes(first))
    t.notOk(kidsOf(b).includes(first))
    t.notOk(readdirSync(s.dir).includes('key-000001.json'))
    t.match(s.said.join('\n'), /"state":"retired","from":"signing"/)
  }
)

t.test('a gate whose clock is behind makes no key that the others would sign with before all have read it', async t => {
  const s = scene(t)
  const ahead = s.gate()
  const behind = s.gate(-30 * MINUTE)
  const first = ahead.signing.kid
  s.pass(75 * MINUTE)
  await behind.reread()
  await ahead.reread()
  t.equal(kidsOf(ahead).length, 2)
  t.equal(ahead.signing.kid, first, 'its time has come by the file, but it was not there a moment ago')
  s.pass(times.settleMs)
  t.not(ahead.signing.kid, first)
})

t.test(
  'a folder that vanishes, or loses every key, ends nothing: the keys that are known go on, and it is said once',
  async t => {
    const s = scene(t)
    const ring = s.gate()
    const { kid } = ring.signing
    renameSync(s.dir, `${s.dir}-away`)
    t.equal(await ring.reread(), false)
    t.equal(await ring.reread(), false)
    t.equal(ring.signing.kid, kid)
    t.match(ring.status.lastError, /ENOENT/)
    t.equal(s.said.filter(line => line.includes('not in order')).length, 1)
    renameSync(`${s.dir}-away`, s.dir)
    t.equal(await ring.reread(), true)
    t.equal(ring.status.lastError, null)
    unlinkSync(`${s.dir}/key-000001.json`)
    t.equal(await ring.reread(), false)
    t.equal(ring.signing.kid, kid)
    t.strictSame(kidsOf(ring), [kid])
    t.match(ring.status.lastError, /no keys any more/)
  }
)

t.test('a key that can no longer be read stays as it was known; one that never could be is left out', async t => {
  const s = scene(t)
  const ring = s.gate()
  const { kid } = ring.signing
  chmodSync(`${s.dir}/key-000001.json`, 0o644)
  writeFileSync(`${s.dir}/key-000002.json`, '{"kid":', { mode: 0o600 })
  t.equal(await ring.reread(), true)
  t.strictSame(kidsOf(ring), [kid])
  t.match(ring.status.lastError, /chmod 600/)
  t.throws(() => s.gate(), { name: 'KeyRingError' }, 'a gate that begins has nothing to go on with')
})

t.test('a key that was taken away is gone with the next look, and the next one signs at once', async t => {
  const s = scene(t)
  const ring = s.gate()
  const leaked = ring.signing.kid
  s.pass(50 * MINUTE)
  await ring.reread()
  const before = ring.version
  unlinkSync(`${s.dir}/key-000001.json`)
  await ring.reread()
  t.not(ring.signing.kid, leaked)
  t.strictSame(kidsOf(ring), [ring.signing.kid])
  t.ok(ring.version > before)
  t.match(s.said.join('\n'), /taken away/)
})

t.test(
  'a clock that is set forward costs no file of a key, and one that is set back leaves a key to sign with',
  async t => {
    const s = scene(t)
    const ring = s.gate()
    s.pass(61 * MINUTE)
    await ring.reread()
    s.pass(16 * MINUTE)
    await ring.reread()
    t.equal(ring.status.views.length, 2)
    s.setClock(24 * 60 * MINUTE)
    await ring.reread()
    t.ok(readdirSync(s.dir).includes('key-000001.json'))
    t.match(s.said.join('\n'), /the clock was set/)
    s.setClock(-48 * 60 * MINUTE)
    await ring.reread()
    t.type(ring.signing.kid, 'string')
    t.ok(kidsOf(ring).includes(ring.signing.kid))
  }
)

t.test(
  'a folder of another disk that takes no files is said, and the keys go on',
  { skip: process.getuid?.() === 0 },
  async t => {
    const s = scene(t)
    const ring = s.gate()
    chmodSync(s.dir, 0o500)
    s.pass(50 * MINUTE)
    await ring.reread()
    t.match(ring.status.lastError, /EACCES/)
    t.equal(kidsOf(ring).length, 1)
    chmodSync(s.dir, 0o700)
  }
)

t.test('a gate does not begin where no folder can be made, and says so', async t => {
  const dir = `${t.testdir({ file: '' })}/file/keys`
  const log = { info() {}, warn() {}, error() {} }
  t.throws(() => openLiveRing({ dir, algorithm: 'EdDSA', times, nowMs: Date.now, onState() {}, log }), {
    name: 'KeyRingError',
    message: /cannot be used \(ENOTDIR\)/
  })
})

t.test('it looks by itself while it is started, and not after', async t => {
  const dir = `${t.testdir()}/keys`
  const log = { info() {}, warn() {}, error() {} }
  const short = ringTimes({ rotateMs: 60_000, waitMs: 500, keepMs: 60_000 })
  const ring = openLiveRing({ dir, algorithm: 'EdDSA', times: short, nowMs: Date.now, onState() {}, log })
  ring.start()
  while (ring.status.reads.done < 3) await new Promise(resolve => setTimeout(resolve, 20))
  ring.close()
  t.pass()
})
