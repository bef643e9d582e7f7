import { pino } from 'pino'
import t from 'tap'
import { type AdminDeps, buildAdmin, type Check } from '../../src/admin/app.ts'
import { guardOf } from '../helpers/admin-guard.ts'

const DEPS: AdminDeps = {
  log: pino({ level: 'silent' }),
  checks: () => [],
  token: null,
  guard: guardOf(),
  reload: () => ({ ok: true }),
  config: () => ({ hash: 'x' }),
  compare: () => ({ ok: true, differing: [] }),
  revocations: { list: () => ({}), add: async () => ({ isNew: true }), lift: async () => ({}) },
  bans: { list: () => [], add: () => null, lift: () => false },
  metrics: async () => ({ type: 'text/plain; version=0.0.4; charset=utf-8', text: 'up 1\n' })
}

const TOKEN = 'a-token-of-the-operator'
const guarded = () => ({ token: TOKEN, guard: guardOf({ token: TOKEN }) })

t.test('alive as soon as the process answers, ready only when every check holds', async t => {
  let checks: Check[] = [{ name: 'keys of corp', ok: false, detail: { lastError: 'status 500' } }]
  const app = await buildAdmin({ ...DEPS, checks: () => checks })
  t.teardown(() => app.close())
  t.equal((await app.inject('/livez')).statusCode, 200)
  const waiting = await app.inject('/readyz')
  t.equal(waiting.statusCode, 503)
  t.match(waiting.json(), { status: 'not ready', checks: [{ name: 'keys of corp', ok: false }] })
  t.equal(waiting.headers['cache-control'], 'no-store')
  checks = [{ name: 'keys of corp', ok: true, detail: {} }]
  t.equal((await app.inject('/readyz')).statusCode, 200)
})

t.test('the second listener serves nothing else', async t => {
  const app = await buildAdmin(DEPS)
  t.teardown(() => app.close())
  for (const path of ['/', '/v1/chat/completions', '/metrics/', '/livez/../x']) {
    t.equal((await app.inject(path)).statusCode, 404, path)
  }
})

t.test(
  'the operator reloads and reads the configuration from this machine, and no browser does it for another page',
  async t => {
    let reloads = 0
    let isFine = true
    const app = await buildAdmin({ ...DEPS, reload: () => ({ ok: isFine, n: ++reloads }) })
    t.teardown(() => app.close())
    const here = { host: '127.0.0.1:9090' }
    const ask = (init: object) => app.inject({ method: 'POST', url: '/-/reload', headers: here, ...init })
    t.equal((await ask({})).statusCode, 200)
    isFine = false
    t.equal((await ask({})).statusCode, 422)
    t.equal((await app.inject({ url: '/-/config', headers: here })).statusCode, 200)
    for (const init of [
      { remoteAddress: '10.0.0.7' },
      { headers: { host: 'evil.example' } },
      { headers: { ...here, origin: 'https://evil.example' } }
    ]) {
      const wanted = 'evil.example' === (init as { headers?: { host?: string } }).headers?.host ? 421 : 403
      t.equal((await ask(init)).statusCode, wanted)
      t.equal((await app.inject({ url: '/-/config', headers: here, ...init })).statusCode, wanted)
    }
    t.equal((await app.inject({ url: '/-/reload', headers: here })).statusCode, 404, 'a GET changes nothing')
    t.equal(reloads, 2)
  }
)

t.test('where there is a token, it opens, from anywhere, and nothing else does; health needs none', async t => {
  const app = await buildAdmin({ ...DEPS, ...guarded() })
  t.teardown(() => app.close())
  const ask = async (authorization?: string) =>
    await app.inject({
      method: 'POST',
      url: '/-/reload',
      remoteAddress: '10.0.0.7',
      headers: authorization === undefined ? {} : { authorization }
    })
  t.equal((await ask('Bearer a-token-of-the-operator')).statusCode, 200)
  for (const wrong of [undefined, 'Bearer x', 'a-token-of-the-operator', 'Bearer a-token-of-the-operatorx', '']) {
    const answer = await ask(wrong)
    t.equal(answer.statusCode, 401)
    t.match(answer.headers['www-authenticate'], /^Bearer/)
  }
  t.equal((await app.inject('/livez')).statusCode, 200)
})

t.test('metrics are open to whoever reaches the listener, and need the token where there is one', async t => {
  const anywhere = { url: '/metrics', remoteAddress: '10.0.0.7', headers: { host: 'gate.internal:9090' } }
  const open = await buildAdmin(DEPS)
  t.teardown(() => open.close())
  const answer = await open.inject(anywhere)
  t.equal(answer.statusCode, 200)
  t.equal(answer.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8')
  t.equal(answer.headers['cache-control'], 'no-store')
  t.equal(answer.body, 'up 1\n')
  const closed = await buildAdmin({ ...DEPS, ...guarded() })
  t.teardown(() => closed.close())
  const refused = await closed.inject(anywhere)
  t.equal(refused.statusCode, 401)
  t.match(refused.headers['www-authenticate'], /^Bearer/)
  t.notMatch(refused.body, 'up 1')
  const authorization = 'Bearer a-token-of-the-operator'
  t.equal((await closed.inject({ ...anywhere, headers: { authorization } })).statusCode, 200)
  t.equal((await closed.inject({ ...anywhere, method: 'POST' })).statusCode, 404)
})
