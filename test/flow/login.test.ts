import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import OpenAI from 'openai'
import t, { type Test } from 'tap'
import { makeApiKey } from '../../src/mint/api-keys.ts'
import { API_KEY_TYPE, TOKEN_EXCHANGE } from '../../src/mint/desk.ts'
import { hashPassword, phcText } from '../../src/mint/passwords.ts'
import { CHEAP } from '../helpers/accounts.ts'
import { runGate } from '../helpers/gate-process.ts'
import { RUN } from '../helpers/scrape.ts'
import { until } from '../helpers/stores.ts'
import { lineOf, world } from '../helpers/world.ts'

const CLI = resolve(import.meta.dirname, '../../src/cli.ts')
const ISSUER = 'https://gate.example.com'
const chat = { model: 'm', messages: [{ role: 'user', content: 'hello' }] }
const form = (parameters: Record<string, string> | string) => ({
  token: null,
  body: typeof parameters === 'string' ? parameters : new URLSearchParams(parameters).toString(),
  headers: { 'content-type': 'application/x-www-form-urlencoded' }
})

async function accounts(t: Test) {
  const dir = mkdtempSync(join(tmpdir(), 'tollgate-login-'))
  t.teardown(() => rmSync(dir, { recursive: true }))
  const password = phcText(await hashPassword('right', CHEAP))
  const user = `password: "${password}", team: team-a, scopes: [infer:text]`
  writeFileSync(join(dir, 'users.yaml'), `users:\n  ada: { ${user} }\n  sue: { ${user}, suspended: true }\n`, {
    mode: 0o600
  })
  const { id, key, digest } = makeApiKey()
  const hex = `sha256:${digest.toString('hex')}`
  writeFileSync(
    join(dir, 'api-keys.yaml'),
    `api_keys:\n  ${id}: { digest: "${hex}", sub: ci, team: team-a, scopes: [infer:text] }\n`,
    { mode: 0o600 }
  )
  return { dir, id, key }
}

const yamlOf = (dir: string, engine: string) => `
pools: { p: { engine: vllm, targets: ["${engine}"], models: [m] } }
teams: { team-a: { pool: p } }
mint: { issuer: "${ISSUER}", audience: inference, keys: { dir: "${dir}/keys" }, users: "${dir}/users.yaml", api_keys: "${dir}/api-keys.yaml" }
`

async function scene(t: Test) {
  const made = await accounts(t)
  const gate = await world(t, { yaml: ({ engine }) => yamlOf(made.dir, engine) })
  return { gate, ...made }
}

t.test('whoever logs in may call through the same gate, and the audit log says which token it was', async t => {
  const { gate } = await scene(t)
  for (const init of [
    form({ username: 'Ada', password: 'right' }),
    { token: null, body: { username: 'ada', password: 'right' } }
  ]) {
    const login = await gate.ask('/login', init)
    t.equal(login.status, 200)
    t.equal(login.headers.get('cache-control'), 'no-store')
    const { access_token, ...rest } = await login.json()
    t.strictSame(rest, { token_type: 'Bearer', expires_in: 900, scope: 'infer:text' })
    const call = await gate.ask('/v1/chat/completions', { token: access_token, body: chat })
    t.equal(call.status, 200)
    const issued = await lineOf(gate, login.headers.get('x-request-id'))
    t.match(issued, {
      'event.action': 'token.issue',
      'event.outcome': 'success',
      'user.id': 'ada',
      'organization.id': 'team-a',
      'tollgate.token.grant': 'password',
      'tollgate.token.client': 'login'
    })
    const called = await lineOf(gate, call.headers.get('x-request-id'))
    t.equal(called['tollgate.token.jti'], issued['tollgate.token.jti'])
    t.notMatch(JSON.stringify(issued), /right/)
  }
})

t.test('an API key becomes a token by either grant, and that one opens calls', async t => {
  const { gate, id, key } = await scene(t)
  for (const init of [
    form({ grant_type: 'client_credentials', client_id: id, client_secret: key }),
    {
      ...form({ grant_type: 'client_credentials' }),
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        authorization: `Basic ${Buffer.from(`${id}:${key}`).toString('base64')}`
      }
    },
    form({ grant_type: TOKEN_EXCHANGE, subject_token: key, subject_token_type: API_KEY_TYPE })
  ]) {
    const answer = await gate.ask('/token', init)
    t.equal(answer.status, 200)
    const { access_token } = await answer.json()
    const openai = new OpenAI({ apiKey: access_token, baseURL: `${gate.url}/v1` })
    const call = openai.chat.completions.create({ model: 'm', messages: [{ role: 'user', content: 'hello' }] })
    t.equal((await call.asResponse()).status, 200)
    const line = await lineOf(gate, answer.headers.get('x-request-id'))
    t.match(line, { 'user.id': 'ci', 'tollgate.token.client': id })
    t.notOk(JSON.stringify(line).includes(key))
  }
  t.equal((await gate.ask('/v1/chat/completions', { token: key, body: chat })).status, 401, 'the key itself opens none')
})

t.test('wrong password, unknown user, suspended user: one answer, counted and audited', async t => {
  const { gate } = await scene(t)
  const bodies = new Set<string>()
  const reasons: unknown[] = []
  for (const username of ['ada', 'nobody', 'sue']) {
    const answer = await gate.ask('/login', form({ username, password: username === 'sue' ? 'right' : 'wrong' }))
    t.equal(answer.status, 400)
    bodies.add(`${[...answer.headers.keys()].join()} ${await answer.text()}`)
    const line = await lineOf(gate, answer.headers.get('x-request-id'))
    t.match(line, { 'event.action': 'token.failure', 'tollgate.code': 'TOLLGATE_MINT_LOGIN' })
    reasons.push([line['event.reason'], line['user.id']])
  }
  t.equal(bodies.size, 1)
  t.match([...bodies][0], '"error":"invalid_grant"')
  t.strictSame(reasons, [
    ['wrong_password', 'ada'],
    ['unknown_user', null],
    ['suspended', 'sue']
  ])
  const { text } = await gate.built.metrics.scrape(RUN)
  t.match(text, /tollgate_tokens_issued_total\{grant="password",result="credentials"\} 3/)
})

t.test('who keeps guessing is told how long to wait', async t => {
  const { gate } = await scene(t)
  const statuses: number[] = []
  let last: Response | null = null
  for (let i = 0; i < 6; i++) {
    last = (await gate.ask('/login', form({ username: 'ada', password: `guess ${i}` }))) as Response
    statuses.push(last.status)
  }
  t.strictSame(statuses, [400, 400, 400, 400, 400, 429])
  t.equal(last?.headers.get('retry-after'), '1')
  t.match(await last?.json(), { error: 'temporarily_unavailable' })
})

t.test('what is oversized, duplicated, unknown or of another kind is refused in the words of RFC 6749', async t => {
  const { gate } = await scene(t)
  for (const [path, init, status, error] of [
    ['/login', form('username=ada&username=bob&password=right'), 400, 'invalid_request'],
    ['/login', form({ username: 'ada', password: 'x'.repeat(129) }), 400, 'invalid_request'],
    ['/login', form({ username: 'ada', password: 'x'.repeat(9_000) }), 413, 'invalid_request'],
    ['/login', { token: null, body: 'x', headers: { 'content-type': 'text/plain' } }, 415, 'invalid_request'],
    ['/login', { token: null, method: 'GET' }, 405, 'invalid_request'],
    ['/token', { token: null, body: { grant_type: 'client_credentials' } }, 415, 'invalid_request'],
    ['/token', form({ grant_type: 'password', username: 'ada', password: 'right' }), 400, 'unsupported_grant_type'],
    ['/token', form({ grant_type: 'client_credentials', client_secret: 'x' }), 401, 'invalid_client'],
    ['/token', form(''), 400, 'invalid_request'],
    ['/token', { token: null, method: 'DELETE' }, 405, 'invalid_request']
  ] as const) {
    const answer = await gate.ask(path, init)
    t.equal(answer.status, status, `${path} ${error}`)
    const body = await answer.json()
    t.equal(body.error, error)
    t.type(body.error_description, 'string')
    if (status === 405) t.equal(answer.headers.get('allow'), 'POST')
    if (status === 401) t.match(answer.headers.get('www-authenticate'), /^Basic /)
    t.match(await lineOf(gate, answer.headers.get('x-request-id')), { 'event.action': 'token.failure' })
  }
})

t.test(
  'a user and a key that commands make are known to a gate that runs, and gone when they are taken away',
  async t => {
    const { gate, dir } = await scene(t)
    const file = join(dir, 'gate.yaml')
    writeFileSync(file, yamlOf(dir, 'http://127.0.0.1:9'))
    const run = (args: readonly string[], input: string) =>
      spawnSync(process.execPath, [CLI, ...args, '--config', file], { input, encoding: 'utf8' })
    const grant = ['--team', 'team-a', '--scope', 'infer:text']
    const added = run(['users', 'add', 'bob', ...grant], 'correct horse\n')
    t.match(added, { status: 0, stdout: '' })
    const login = () => gate.ask('/login', form({ username: 'bob', password: 'correct horse' }))
    const made = run(['api-keys', 'create', '--sub', 'bot', ...grant], '')
    t.equal(made.status, 0)
    const key = made.stdout.trim()
    const token = () => gate.ask('/token', form({ grant_type: 'client_credentials', client_secret: key }))
    await until(async () => (await token()).status === 200)
    // By then both files have been looked at twice.
    t.equal((await login()).status, 200)
    t.equal(run(['users', 'suspend', 'bob'], '').status, 0)
    t.equal(run(['api-keys', 'revoke', key.split('_')[1] ?? ''], '').status, 0)
    await until(async () => (await token()).status === 401)
    t.equal((await login()).status, 400)
  }
)

t.test('a token of more than an hour, and a route that the mint answers, are faults of the configuration', async t => {
  const { dir } = await accounts(t)
  const file = join(dir, 'gate.yaml')
  const text = yamlOf(dir, 'http://127.0.0.1:9').replace(
    'audience: inference, keys',
    'audience: inference, ttl: 2h, keys'
  )
  writeFileSync(file, `${text}access: { routes: [{ method: POST, path: /token, scope: x }] }\n`)
  const check = runGate(t, ['check', file, '--format', 'json'])
  let out = ''
  check.child.stdout?.on('data', piece => {
    out += String(piece)
  })
  t.equal(await check.exit, 1)
  t.strictSame(
    JSON.parse(out)
      .faults.map(({ code }: { code: string }) => code)
      .filter((code: string) => code.startsWith('E')),
    ['E366', 'E367']
  )
})

t.test('without a mint nobody logs in: the path is like any other', async t => {
  const gate = await world(t)
  t.equal((await gate.ask('/login', form({ username: 'ada', password: 'right' }))).status, 401)
  t.equal((await gate.ask('/token', { token: null })).status, 401)
})

t.test('a gate does not begin with users that others can read, nor with half of a file', async t => {
  for (const [text, mode, said] of [
    ['users: {}\n', 0o644, /E361 the file can be read by others than its owner/],
    ['users:\n  ada: { password: "$argon2id$v=19', 0o600, /users\.yaml:\d+:\d+ error E101/]
  ] as const) {
    const { dir } = await accounts(t)
    rmSync(join(dir, 'users.yaml'))
    writeFileSync(join(dir, 'users.yaml'), text, { mode })
    writeFileSync(join(dir, 'tollgate.yaml'), yamlOf(dir, 'http://127.0.0.1:9'))
    const gate = runGate(t, ['serve', '--config', join(dir, 'tollgate.yaml')])
    t.equal(await gate.exit, 1)
    t.match(gate.stderr(), said)
    const check = runGate(t, ['check', join(dir, 'tollgate.yaml')])
    t.equal(await check.exit, 1)
  }
})
