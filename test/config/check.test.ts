import { join } from 'node:path'
import t, { type Test } from 'tap'
import { runCheck } from '../../src/config/check.ts'
import { Written } from '../helpers/written.ts'

const GATE = `issuers: [{ name: corp, issuer: https://idp.example.com, audience: a }]
pools: { p: { engine: vllm, targets: [http://gpu1:8000] } }
teams: { t: { pool: p } }
revocation: { file: revoked.yaml, keep: kept.json }
`

/** What `tollgate check` says of a file and the one that it names. */
function check(t: Test, revoked: string, { format = 'text' as 'text' | 'json', more = '' } = {}) {
  const dir = t.testdir({ 'gate.yaml': GATE + more, 'revoked.yaml': revoked, 'keys.yaml': 'api_keys: []\n' })
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
