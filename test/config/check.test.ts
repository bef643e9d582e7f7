import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { runCheck } from '../../src/config/check.ts'
import { Written } from '../helpers/written.ts'

const GATE = `issuers: [{ name: corp, issuer: https://idp.example.com, audience: a }]
pools: { p: { engine: vllm, targets: [http://gpu1:8000] } }
teams: { t: { pool: p } }
revocation: { file: revoked.yaml, keep: kept.json }
`

/** What a test differs in. */
interface Differing {
  readonly format?: 'text' | 'json'
  readonly gate?: string
  readonly more?: string
  readonly keys?: string
}

/** What `tollgate check` says of a file and the one that it names. */
function check(
  t: Test,
  revoked: string,
  { format = 'text', gate = GATE, more = '', keys = 'api_keys: {}\n' }: Differing = {}
) {
  const dir = t.testdir({ 'gate.yaml': gate + more, 'revoked.yaml': revoked })
  writeFileSync(join(dir, 'keys.yaml'), keys, { mode: 0o600 })
  const [stdout, stderr] = [new Written(), new Written()]
  const file = join(dir, 'gate.yaml')
  const code = runCheck({ file, format, env: {}, stdout, stderr, color: false })
  return { code, text: stdout.text + stderr.text }
}

t.test(
  'the file of revocations is checked with the one that names it: a gate would not begin with a faulty one',
  async t => {
    const { code, text } = check(t, 'revocations:\n  - { sub: mallory, issuer: corpp }\n  - { sub: a, jti: b }\n')
    t.equal(code, 1)
    t.match(text, /revoked\.yaml:2:29 error E342 .*corpp/)
    t.match(text, /did you mean "corp"/)
    t.match(text, /revoked\.yaml:3:5 error E341/)
    t.notMatch(text, /fine/)
  }
)

t.test('what it revokes is counted when it is fine, and programs are told of its faults too', async t => {
  t.match(check(t, 'revocations: [{ sub: mallory }]'), { code: 0, text: /fine \(.*, 1 revocation\)/ })
  const { code, text } = check(t, 'revocations: 7', { format: 'json' })
  t.equal(code, 1)
  t.match(JSON.parse(text), { ok: false, faults: [{ code: 'E205', path: 'revocations' }] })
})

t.test('the gate itself is an issuer whose tokens may be revoked', async t => {
  const mint = 'mint: { issuer: https://gate.example.com, audience: a, keys: { dir: keys }, api_keys: keys.yaml }\n'
  t.notMatch(check(t, 'revocations: [{ sub: mallory, issuer: tollgate }]', { more: mint }).text, /E342/)
  t.match(check(t, 'revocations: [{ sub: mallory, issuer: tollgate }]').text, /E342/)
})

t.test(
  'an account of a team that is not served is warned of, in its place; with a team for all others nobody is',
  async t => {
    const mint = 'mint: { issuer: https://gate.example.com, audience: a, keys: { dir: keys }, api_keys: keys.yaml }\n'
    const keys = `api_keys:
  K1aaaaaaaaaa: { digest: "sha256:${'0'.repeat(64)}", team: tt, sub: ci, scopes: [infer:text] }
`
    const first = check(t, 'revocations: []', { more: mint, keys })
    t.match(first, { code: 0, text: /keys\.yaml:2:\d+ warning W412 the configuration has no team "tt"/ })
    t.notMatch(check(t, 'revocations: []', { more: mint, keys: keys.replace('tt', 't') }).text, /W412/)
    const withStar = GATE.replace('{ t: { pool: p } }', '{ "*": { pool: p } }')
    t.notMatch(check(t, 'revocations: []', { gate: withStar, more: mint, keys }).text, /W412/)
  }
)

t.test('a file of accounts that is not there yet is told of with what makes it', async t => {
  const mint = 'mint: { issuer: https://gate.example.com, audience: a, keys: { dir: keys }, users: users.yaml }\n'
  t.match(check(t, 'revocations: []', { more: mint }), {
    code: 1,
    text: /E360 .*ENOENT[\s\S]*'tollgate users add' makes it/
  })
})
