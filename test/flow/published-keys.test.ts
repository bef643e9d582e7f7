import { chmodSync, readFileSync, rmSync } from 'node:fs'
import t, { type Test } from 'tap'
import { openKeyRing } from '../../src/mint/key-ring.ts'
import { signToken } from '../../src/mint/sign.ts'
import { runGate } from '../helpers/gate-process.ts'
import { RUN } from '../helpers/scrape.ts'
import { lineOf, world } from '../helpers/world.ts'

const ISSUER = 'https://gate.example.com/tenant'
const METADATA = '/.well-known/oauth-authorization-server/tenant'
const chat = { model: 'm', messages: [{ role: 'user', content: 'hello' }] }

async function scene(t: Test) {
  const dir = `${t.testdirName}-keys/keys`
  t.teardown(() => rmSync(`${t.testdirName}-keys`, { recursive: true }))
  const gate = await world(t, {
    yaml: ({ engine }) => `
pools: { p: { engine: vllm, targets: ["${engine}"], models: [m] } }
teams: { team-a: { pool: p } }
mint: { issuer: "${ISSUER}", audience: inference, keys: { dir: "${dir}" } }
`
  })
  const { signing } = openKeyRing(dir)
  const sign = (wish: object = {}) =>
    signToken(
      signing,
      {
        issuer: ISSUER,
        audience: 'inference',
        subject: 'ada',
        team: 'team-a',
        scopes: ['infer:text'],
        role: null,
        ttlSec: 60,
        ...wish
      },
      Date.now()
    )
  return { gate, sign, dir }
}

t.test('everybody may read the public keys, which have no secret part, and need not read them twice', async t => {
  const { gate, dir } = await scene(t)
  const keys = await gate.ask('/.well-known/jwks.json', { method: 'GET', token: null })
  t.equal(keys.status, 200)
  t.equal(keys.headers.get('content-type'), 'application/jwk-set+json')
  t.equal(keys.headers.get('cache-control'), 'public, max-age=300')
  const set = await keys.json()
  t.equal(set.keys.length, 1)
  t.strictSame(Object.keys(set.keys[0]).sort(), ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'])
  const secret = JSON.parse(readFileSync(`${dir}/key-000001.json`, 'utf8')).jwk.d
  t.notMatch(JSON.stringify(set), secret)
  const again = await gate.ask('/.well-known/jwks.json', {
    method: 'GET',
    token: null,
    headers: { 'if-none-match': keys.headers.get('etag') ?? '' }
  })
  t.equal(again.status, 304)
  t.equal(again.headers.get('etag'), keys.headers.get('etag'))
  t.equal(await again.text(), '')
})

t.test('the metadata stands where RFC 8414 looks for it, and leads to the keys', async t => {
  const { gate } = await scene(t)
  const found = await gate.ask(METADATA, { method: 'GET', token: null })
  t.equal(found.status, 200)
  t.match(await found.json(), { issuer: ISSUER, jwks_uri: 'https://gate.example.com/.well-known/jwks.json' })
  for (const path of ['/.well-known/oauth-authorization-server', '/.well-known/openid-configuration']) {
    t.equal((await gate.ask(path, { method: 'GET', token: null })).status, 401, path)
  }
  t.equal((await gate.ask(METADATA, { method: 'POST', token: null })).status, 401)
})

t.test('who reads them is written down and counted as any other', async t => {
  const { gate } = await scene(t)
  const keys = await gate.ask('/.well-known/jwks.json', { method: 'GET', token: null })
  t.match(await lineOf(gate, keys.headers.get('x-request-id')), {
    'event.outcome': 'success',
    'url.path': '/.well-known/jwks.json',
    'http.response.status_code': 200,
    'client.ip': '127.0.0.1',
    'http.response.body.bytes': (await keys.text()).length
  })
  const { text } = await gate.built.metrics.scrape(RUN)
  t.match(text, /tollgate_requests_total\{[^}]*code="200"[^}]*\} 1/)
  t.match(text, /tollgate_mint_keys\{state="signing"\} 1/)
  t.match(text, /tollgate_jwks_keys\{issuer="tollgate"\} 1/)
})

t.test('the gate is as strict with its own tokens as with others', async t => {
  const { gate, sign } = await scene(t)
  const call = async (token: string) => await gate.ask('/v1/chat/completions', { token, body: chat })
  t.equal((await call(await sign())).status, 200)
  for (const [wish, reason] of [
    [{ audience: 'other' }, 'audience'],
    [{ issuer: 'https://gate.example.com' }, 'unknown_issuer'],
    [{ ttlSec: 4_000 }, 'lifetime']
  ] as const) {
    const refused = await call(await sign(wish))
    t.equal(refused.status, 401)
    t.match(await lineOf(gate, refused.headers.get('x-request-id')), { 'event.reason': reason })
  }
  t.equal((await call(await sign({ scopes: [] }))).status, 403)
})

t.test('without a mint these paths are nobody’s', async t => {
  const gate = await world(t)
  for (const path of ['/.well-known/jwks.json', '/.well-known/oauth-authorization-server']) {
    t.equal((await gate.ask(path, { method: 'GET', token: null })).status, 401, path)
    t.equal((await gate.ask(path, { method: 'GET' })).status, 404, path)
  }
})

t.test('a gate does not begin with a key that others can read, and says what to do', async t => {
  const dir = t.testdir({
    'gate.yaml': `server: { listen: "127.0.0.1:0" }
admin: { listen: "127.0.0.1:0" }
pools: { p: { engine: vllm, targets: ["http://127.0.0.1:9"], models: [m] } }
teams: { team-a: { pool: p } }
mint: { issuer: "${ISSUER}", audience: inference, keys: { dir: keys } }
`
  })
  openKeyRing(`${dir}/keys`)
  chmodSync(`${dir}/keys/key-000001.json`, 0o644)
  const gate = runGate(t, ['serve', '--config', `${dir}/gate.yaml`])
  t.equal(await gate.exit, 1)
  t.match(gate.stderr(), /tollgate: .*key-000001\.json can be read by others.*chmod 600/)
})
