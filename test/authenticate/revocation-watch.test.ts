import { renameSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { differencesOf, RevocationWatch } from '../../src/authenticate/revocation-watch.ts'
import { loadRevocations } from '../../src/config/revocations.ts'

const ISSUERS = [{ name: 'corp', issuer: 'https://idp' }]

function scene(dir: string) {
  const file = `${dir}/revoked.yaml`
  const said: string[] = []
  const log = {
    warn: (_: object, text: string) => said.push(text),
    error: (_: object, text: string) => said.push(text)
  }
  const open = () => new RevocationWatch(file, { nowMs: () => 1, log, read: () => loadRevocations(file, ISSUERS) })
  return { file, said, open }
}

t.test('a file that changes is loaded when two looks agree, once', async t => {
  const { file, open } = scene(t.testdir({ 'revoked.yaml': 'revocations: [{ jti: a }]' }))
  const watch = open()
  t.equal(watch.look(), false)
  writeFileSync(`${file}.new`, 'revocations: [{ jti: a }, { team: red, reason: gone }]')
  renameSync(`${file}.new`, file)
  t.equal(watch.look(), false, 'it may be written in pieces')
  t.equal(watch.look(), true)
  t.equal(watch.look(), false)
  t.match(watch.entries, [
    { kind: 'jti', value: 'a', iss: 'https://idp' },
    { kind: 'team', iss: null, reason: 'gone' }
  ])
})

t.test('a faulty file changes nothing, is told of once, and is forgiven when it is mended', async t => {
  const { file, said, open } = scene(t.testdir({ 'revoked.yaml': 'revocations: [{ jti: a }]' }))
  const watch = open()
  const look = () => [watch.look(), watch.look(), watch.look()].some(Boolean)
  for (const [text, words] of [
    ['revocations: [{ jti: a }, { jt', /:1:\d+ error E101/],
    ['revocations:\n  - { jti: a }\n  - { jti: a, issuer: corp }', /:3:5 error E343 it stands twice/],
    ['revocations: [{ sub: u, issuer: nobody }]', /error E342 no issuer is called "nobody"/],
    ['revocations: [{ sub: u, issued_before: 2999-01-01T00:00:00Z }]', /error E344 it lies in the future/],
    ['revocations: [{ sub: u, team: red }]', /error E341/],
    ['', /E103/],
    [`revocations: [] # ${'x'.repeat(10_000_000)}`, /E345 the file is larger than/]
  ] as const) {
    writeFileSync(file, text)
    t.equal(look(), false)
    t.match(watch.status.fault, words)
    t.equal(watch.entries.length, 1)
  }
  t.equal(said.length, 7)
  writeFileSync(file, 'revocations: []')
  t.equal(look(), true)
  t.match(watch.status, { fault: null, entries: 0 })
})

t.test('a gate does not begin with a faulty file, or without it', async t => {
  const { open, file } = scene(t.testdir())
  t.throws(open, { name: 'RevocationFileError', message: /ENOENT/ })
  writeFileSync(file, 'revocations: [{}]')
  t.throws(open, { message: /revoked\.yaml:1:15 error E341/ })
})

t.test(
  'what a changed file revokes more than before, and what no more, is told by what it says, not where',
  async t => {
    const entry = (value: string, beforeMs: number | null = null) =>
      ({ kind: 'sub', iss: 'https://idp', value, beforeMs, cutStreams: null, reason: null }) as const
    const [a, b, c] = [entry('a'), entry('b'), entry('c')]
    t.strictSame(differencesOf([a, b], [c, b]), [[c], [a]])
    t.strictSame(differencesOf([a, b], [b, { ...a, reason: 'other words' }]), [[], []])
    t.strictSame(differencesOf([a], [entry('a', 5)]), [[entry('a', 5)], [a]], 'another moment is another revocation')
  }
)
