import { chmodSync, readdirSync } from 'node:fs'
import t, { type Test } from 'tap'
import { openKeyRing } from '../../src/mint/key-ring.ts'
import { ringTimes } from '../../src/mint/key-states.ts'
import { runKeys } from '../../src/mint/keys-command.ts'
import { Written } from '../helpers/written.ts'

const times = ringTimes({ rotateMs: 3_600_000, waitMs: 60_000, keepMs: 600_000 })

function scene(t: Test) {
  const dir = `${t.testdir()}/keys`
  let now = Date.now()
  const run = async (...argv: string[]) => {
    const [stdout, stderr] = [new Written(), new Written()]
    const tools = { keysOf: () => ({ dir, algorithm: 'EdDSA' as const, times }) }
    const code = await runKeys([...argv, '--config', 'x.yaml'], { stdout, stderr, tools, nowMs: () => now })
    return { code, out: stdout.text, err: stderr.text }
  }
  const list = async () => {
    const { keys } = JSON.parse((await run('list', '--format', 'json')).out)
    return keys as { kid: string; state: string; alg: string; until: string | null }[]
  }
  return {
    dir,
    run,
    list,
    pass: (ms: number) => {
      now += ms
    }
  }
}

t.test('a list says what each key is and what is next', async t => {
  const s = scene(t)
  openKeyRing(s.dir)
  t.match((await s.run('list')).out, /KID +ALG +STATE +SINCE +NEXT\n\S+ +ES256 +signing +\S+Z +until another/)
  await s.run('rotate')
  t.strictSame(
    (await s.list()).map(({ state, alg }) => `${state} ${alg}`),
    ['signing ES256', 'next EdDSA']
  )
  t.match((await s.run('list')).out, /retires \S+Z\n/)
})

t.test('rotate publishes one key, which signs when it has waited; a second one is refused until then', async t => {
  const s = scene(t)
  openKeyRing(s.dir)
  t.equal((await s.run('rotate')).code, 0)
  const again = await s.run('rotate')
  t.equal(again.code, 1)
  t.match(again.err, /published already/)
  s.pass(60_000)
  t.strictSame(
    (await s.list()).map(({ state }) => state),
    ['retired', 'signing']
  )
})

t.test(
  'a key that signs retires in order; one that has not signed is taken away; one that is unknown is said',
  async t => {
    const s = scene(t)
    const { kid } = openKeyRing(s.dir).signing
    t.match(await s.run('retire', kid), { code: 0, err: /signs until/ })
    const next = (await s.list())[1]?.kid ?? ''
    t.match(await s.run('retire', next), { code: 0, err: /had signed nothing/ })
    t.strictSame(
      (await s.list()).map(one => [one.kid, one.state]),
      [[kid, 'signing']]
    )
    t.match(await s.run('retire', 'nobody'), { code: 1, err: /there is no key nobody/ })
  }
)

t.test('a leaked key is gone at once, and there is never a moment without a key to sign with', async t => {
  const s = scene(t)
  const leaked = openKeyRing(s.dir).signing.kid
  const alone = await s.run('retire', leaked, '--now')
  t.match(alone, { code: 0, err: /is gone.*\n.*signs at once, and nobody knew it/ })
  const [heir] = await s.list()
  t.match(heir, { state: 'signing' })
  t.strictSame(readdirSync(s.dir).sort(), ['jwks.json', 'key-000002.json'])
  await s.run('rotate')
  const waiting = (await s.list())[1]?.kid
  t.match(await s.run('retire', heir?.kid ?? '', '--now'), { code: 0, err: /signs at once:/ })
  t.strictSame(
    (await s.list()).map(one => [one.kid, one.state]),
    [[waiting, 'signing']],
    'the one that waited takes over'
  )
  t.equal(openKeyRing(s.dir).signing.kid, waiting)
})

t.test('a name that looks like an option is still a name', async t => {
  const s = scene(t)
  openKeyRing(s.dir)
  const kid = '-cQH_6u88E653BvSLK3IjvtW-9zYGhG4Hluc9KmHsPQ'
  t.match(await s.run('retire', kid, '--now'), { code: 1, err: /there is no key -cQH/ })
})

t.test('a retired key that has leaked is gone at once too', async t => {
  const s = scene(t)
  const old = openKeyRing(s.dir).signing.kid
  await s.run('rotate')
  s.pass(61_000)
  t.match(await s.run('retire', old), { code: 0, err: /signs no more/ })
  t.match(await s.run('retire', old, '--now'), { code: 0, err: /Another key signs already/ })
  t.equal((await s.list()).length, 1)
})

t.test('a folder without keys, or with one that others can read, is said; wrong usage too', async t => {
  const s = scene(t)
  t.match(await s.run('list'), { code: 1, err: /keys has no keys; a gate makes the first one\.\n$/ })
  openKeyRing(s.dir)
  chmodSync(`${s.dir}/key-000001.json`, 0o644)
  t.match(await s.run('list'), { code: 1, err: /chmod 600/ })
  for (const argv of [[], ['what'], ['retire'], ['list', 'x'], ['list', '--now'], ['list', '--dir', 'x']]) {
    t.equal((await s.run(...argv)).code, 2, argv.join(' '))
  }
  t.match(await s.run('--help'), { code: 0, out: /retire KID --now/ })
})
