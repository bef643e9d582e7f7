import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { writeKept } from '../src/authenticate/revocation-keep.ts'
import { runExplain } from '../src/explain-command.ts'
import { openKeyRing } from '../src/mint/key-ring.ts'
import { signToken } from '../src/mint/sign.ts'
import { startEngine } from './helpers/engine.ts'
import { startIssuer } from './helpers/issuer.ts'
import { revocation } from './helpers/revocations.ts'
import { Written } from './helpers/written.ts'

const CHAT = '/v1/chat/completions'

async function scene(t: Test) {
  const [engine, issuer] = [await startEngine(t, { models: ['m', 'n'] }), await startIssuer(t)]
  const dir = t.testdir({ 'duplicate.json': '{"model":"m","model":"n"}', 'faulty.yaml': 'issuers: 7\n' })
  const file = `${dir}/tollgate.yaml`
  writeFileSync(
    file,
    `issuers: [{ issuer: "${issuer.url}", jwks_url: "${issuer.jwksUrl}", audience: inference }]
models: { m: { aliases: [mm] }, n: {} }
pools: { p: { engine: vllm, targets: ["${engine.origin}"] } }
teams: { team-a: { pool: p, models: [m], limits: { rpm: 60 } } }
audit: { to: audit.log }
`
  )
  const run = async (...argv: string[]) => {
    const [stdout, stderr] = [new Written(), new Written()]
    const code = await runExplain(argv, { stdout, stderr, env: {} })
    return { code, out: stdout.text, err: stderr.text }
  }
  return { engine, issuer, dir, file, run, token: await issuer.sign() }
}

t.test('an operator sees what each room decides, ending with the pool and the target', async t => {
  const { engine, file, token, run } = await scene(t)
  const { code, out } = await run('--config', file, '--token', token, '--path', CHAT, '--model', 'mm')
  t.equal(code, 0)
  const rooms = out.split('\n').map(line => line.split(/\s/)[0])
  t.strictSame(rooms.slice(0, 7), ['accept', 'identify', 'authenticate', 'inspect', 'authorize', 'limit', 'route'])
  t.match(out, /team=team-a/)
  t.match(out, /model=m {2}asked=mm/)
  t.match(out, /limits=team\.rpm=60/)
  t.match(out, `pool=p  engine=vllm  balance=least_inflight  class=default  weight=1  targets=${engine.origin}`)
  t.match(out, /The request would be answered\.\n$/)
  t.notMatch(out, token, 'the token is not shown again')
  t.equal((await engine.requests()).length, 0, 'nothing is sent but the question for models')
})

t.test('a refusal names the room, the code and the reason that the caller is not told', async t => {
  const { file, issuer, run } = await scene(t)
  const expired = await issuer.sign({ iat: 1_000_000, exp: 1_000_600 })
  const { code, out } = await run('--config', file, '--token', expired, '--path', CHAT, '--model', 'm')
  t.equal(code, 1)
  t.match(out, /authenticate\s+REFUSE {2}TOLLGATE_AUTHENTICATE_INVALID.*reason=expired/)
  t.match(out, "would be refused by 'authenticate' with TOLLGATE_AUTHENTICATE_INVALID")
})

t.test('a token that a file has revoked is told of, and a faulty file is', async t => {
  const { file, dir, issuer, token, run } = await scene(t)
  writeFileSync(`${dir}/revoked.yaml`, 'revocations: [{ sub: u-1 }]')
  appendFileSync(file, 'revocation: { file: revoked.yaml, keep: kept.json }\n')
  const ask = () => run('-c', file, '--token', token, '--path', CHAT, '--model', 'm')
  const { code, out } = await ask()
  t.equal(code, 1)
  t.match(out, /authenticate\s+REFUSE.*reason=revoked {2}revocation=file:1/)
  t.notOk(existsSync(`${dir}/kept.json`), 'and nothing is written')
  // As a gate keeps what its operators have revoked while it ran.
  writeFileSync(`${dir}/revoked.yaml`, 'revocations: []')
  const soonMs = Date.now() + 3_600_000
  const revoked = revocation({ iss: issuer.url, value: 'u-1', beforeMs: soonMs, untilMs: soonMs })
  writeKept(`${dir}/kept.json`, [revoked])
  const kept = readFileSync(`${dir}/kept.json`, 'utf8')
  t.match((await ask()).out, `reason=revoked  revocation=${revoked.id}`)
  t.equal(readFileSync(`${dir}/kept.json`, 'utf8'), kept)
  writeKept(`${dir}/kept.json`, [])
  t.equal((await ask()).code, 0)
  writeFileSync(`${dir}/revoked.yaml`, 'revocations: 7')
  t.match(await ask(), { code: 2, err: /revoked\.yaml:1:14 error E205/ })
})

t.test('--format json gives the same to a program', async t => {
  const { file, token, run } = await scene(t)
  const { code, out } = await run('-c', file, '--token', token, '--path', CHAT, '--model', 'n', '--format', 'json')
  t.equal(code, 1)
  const steps = JSON.parse(out)
  t.match(steps.at(-1), { room: 'route', verdict: 'refuse', code: 'TOLLGATE_ROUTE_MODEL' })
})

t.test('the list of models is explained with its names', async t => {
  const { file, token, run } = await scene(t)
  const { code, out } = await run('--config', file, '--token', token, '--path', '/v1/models')
  t.equal(code, 0)
  t.match(out, /the gate lists the models itself {2}models=m\n/)
})

t.test('the question for one’s own usage is explained as what the gate answers itself', async t => {
  const { run, file, token } = await scene(t)
  const { code, out } = await run('--config', file, '--token', token, '--path', '/v1/me/usage')
  t.equal(code, 0)
  t.match(out, /bill +pass +answer=the gate tells it itself/)
})

t.test('a whole body is explained from a file', async t => {
  const { dir, file, token, run } = await scene(t)
  const { code, out } = await run('--config', file, '--token', token, '--path', CHAT, '--body', `${dir}/duplicate.json`)
  t.equal(code, 1)
  t.match(out, /inspect\s+REFUSE {2}TOLLGATE_INSPECT_DUPLICATE/)
})

t.test(
  'a token of the gate itself is told of by the keys that its gates have published, and no key is made for it',
  async t => {
    const { file, dir, run } = await scene(t)
    appendFileSync(
      file,
      'mint: { issuer: "https://gate.example.com", audience: inference, keys: { dir: keys }, api_keys: keys.yaml }\n'
    )
    const of = (token: string, path = CHAT) => run('--config', file, '--token', token, '--path', path, '--model', 'm')
    const login = await of('-', '/token')
    t.equal(login.code, 0)
    t.match(login.out, /^mint +pass +answer=the gate answers it itself/)
    t.equal((await of('-', '/.well-known/jwks.json')).code, 0)
    t.match((await of('a.b.c')).out, /REFUSE/)
    t.notOk(existsSync(`${dir}/keys`), 'nothing was written')

    const { signing } = openKeyRing(`${dir}/keys`)
    const nowMs = Date.now()
    const claims = { issuer: 'https://gate.example.com', audience: 'inference', subject: 'ada', team: 'team-a' }
    const token = await signToken(
      signing,
      { ...claims, scopes: ['infer:text'], role: null, ttlSec: 60, clientId: 'login', jti: 'j-1' },
      nowMs
    )
    const good = await of(token)
    t.equal(good.code, 0, good.out)
    t.match(good.out, /authenticate +pass .*sub=ada/)
  }
)

t.test('wrong usage, a missing body and a faulty file are said, exit code 2', async t => {
  const { dir, file, token, run } = await scene(t)
  const few = await run('--config', file)
  t.equal(few.code, 2)
  t.match(few.err, '--token, --path missing')
  t.equal((await run('--config', file, '--token', token, '--path', CHAT, '--format', 'xml')).code, 2)
  const gone = await run('--config', file, '--token', token, '--path', CHAT, '--body', '/nowhere.json')
  t.equal(gone.code, 2)
  t.match(gone.err, /tollgate explain: ENOENT.*nowhere\.json/)
  const bad = await run('--config', `${dir}/faulty.yaml`, '--token', token, '--path', CHAT)
  t.equal(bad.code, 2)
  t.match(bad.err, /faulty\.yaml:1:/)
  t.match((await run('--help')).out, /Usage: tollgate explain/)
})
