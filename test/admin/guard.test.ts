import { once } from 'node:events'
import { request } from 'node:http'
import { hostname } from 'node:os'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { buildAdmin } from '../../src/admin/app.ts'
import type { AdminOptions } from '../../src/admin/options.ts'
import { guardOf } from '../helpers/admin-guard.ts'

const TOKEN = 'a-token-of-the-operator'
const PATHS = ['/livez', '/readyz', '/metrics', '/-/config', '/-/bans', '/-/revocations', '/nothing']

/** The admin listener on a real socket. */
async function open(t: Test, options: Partial<AdminOptions> = {}, delayMs = 1) {
  const lines: object[] = []
  const guard = guardOf(options, lines, delayMs)
  const reloads: string[] = []
  const app = await buildAdmin({
    log: pino({ level: 'silent' }),
    checks: () => [{ name: 'keys of corp', ok: true, detail: { lastError: 'ECONNREFUSED' } }],
    guard,
    token: options.token ?? null,
    reload: () => {
      reloads.push('')
      return { ok: true }
    },
    config: () => ({ config: {} }),
    compare: () => ({ ok: true, differing: [] }),
    revocations: { list: () => ({}), add: async () => ({ isNew: true }), lift: async () => ({}) },
    bans: { list: () => [], add: () => null, lift: () => false },
    metrics: async () => ({ type: 'text/plain', text: 'up 1\n' })
  })
  t.teardown(() => app.close())
  const port = Number(new URL(await app.listen({ host: '127.0.0.1', port: 0 })).port)
  const ask = async (path: string, headers: Record<string, string> = {}, method = 'GET') => {
    const asking = request({ host: '127.0.0.1', port, path, method, headers }).end()
    const [answer] = await once(asking, 'response')
    let body = ''
    for await (const piece of answer) body += piece
    return { status: answer.statusCode as number, body, headers: answer.headers }
  }
  return { ask, guard, lines, reloads, port }
}

t.test('a page that has its own name point at the admin listener (DNS rebinding) gets nothing, on no path', async t => {
  for (const token of [null, TOKEN]) {
    const { ask, guard } = await open(t, { token })
    const authorization = `Bearer ${TOKEN}`
    for (const path of PATHS) {
      for (const host of [
        'evil.example',
        'evil.example:9090',
        'localhost.evil.example',
        '127.0.0.1.evil.example',
        'a.svc.evil'
      ]) {
        const { status, body } = await ask(path, { host, authorization })
        t.equal(status, 421, `${path} for ${host}`)
        t.notMatch(body, /up 1|keys of|alive/)
      }
    }
    t.equal(guard.refused.host, PATHS.length * 5)
  }
})

t.test(
  'probes, Prometheus and commands go on asking by address, localhost, the names of a cluster and named ones',
  async t => {
    const { ask } = await open(t, { allowedHosts: ['Gate.example.com'] })
    const hosts = [
      '10.42.0.7:9090',
      '[fd00::7]:9090',
      '[::1]',
      'localhost',
      'localhost:9090',
      'LOCALHOST.',
      'tollgate:9090',
      'tollgate-admin.llm.svc'
    ]
    for (const host of [
      ...hosts,
      'tollgate.llm.svc.cluster.local:9090',
      'gate1.internal',
      'gate.example.com',
      hostname()
    ]) {
      for (const path of ['/livez', '/readyz', '/metrics'])
        t.equal((await ask(path, { host })).status, 200, `${path} for ${host}`)
    }
  }
)

t.test(
  'what a proxy of this machine passes on is no operator, unless the token comes with it and it is allowed',
  async t => {
    const forwarded = [
      'x-forwarded-for',
      'forwarded',
      'via',
      'x-real-ip',
      'x-forwarded-host',
      'x-forwarded-proto',
      'true-client-ip'
    ]
    for (const token of [null, TOKEN]) {
      const { ask, reloads, guard } = await open(t, { token })
      for (const name of forwarded) {
        const headers = { [name]: '203.0.113.7', authorization: `Bearer ${TOKEN}` }
        t.equal((await ask('/-/reload', headers, 'POST')).status, 403, name)
        t.equal((await ask('/metrics', headers)).status, 403, name)
        const ready = await ask('/readyz', headers)
        t.equal(ready.status, 200, 'a balancer learns whether the gate is ready')
        t.notMatch(ready.body, /keys of/, 'and nothing else')
        t.equal((await ask('/livez', headers)).status, 200)
      }
      t.equal(reloads.length, 0)
      t.equal(guard.refused.forwarded, 2 * forwarded.length)
    }
    const allowed = await open(t, { token: TOKEN, allowForwarded: true })
    const headers = { 'x-forwarded-for': '203.0.113.7' }
    t.equal((await allowed.ask('/-/reload', headers, 'POST')).status, 401)
    t.equal((await allowed.ask('/-/reload', { ...headers, authorization: `Bearer ${TOKEN}` }, 'POST')).status, 200)
    const open2 = await open(t, { allowForwarded: true })
    t.equal((await open2.ask('/-/reload', headers, 'POST')).status, 403, 'without a token nobody is told apart')
  }
)

t.test('a page of another origin changes and reads nothing, whatever kind of request its browser makes', async t => {
  const { ask, reloads } = await open(t)
  for (const headers of [
    { origin: 'https://evil.example' },
    { origin: 'null' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' }
  ] as Record<string, string>[]) {
    t.equal((await ask('/-/reload', headers, 'POST')).status, 403)
    t.equal((await ask('/-/config', headers)).status, 403)
    t.notMatch((await ask('/readyz', headers)).body, /keys of/)
  }
  t.equal((await ask('/metrics', { 'sec-fetch-site': 'cross-site' })).status, 403)
  t.equal((await ask('/-/config', { 'sec-fetch-site': 'none' })).status, 200, 'an operator types the address')
  t.equal(reloads.length, 0)
})

t.test('readiness has detail for operators alone', async t => {
  const bare = await open(t)
  t.match((await bare.ask('/readyz')).body, /keys of corp/, 'this machine')
  t.notMatch(
    (await bare.ask('/readyz', { host: '10.42.0.7:9090' })).body,
    /keys of/,
    'a probe, by the address of the pod'
  )
  const { ask } = await open(t, { token: TOKEN })
  t.strictSame(JSON.parse((await ask('/readyz')).body), { status: 'ready' })
  t.strictSame(JSON.parse((await ask('/readyz', { authorization: 'Bearer x' })).body), { status: 'ready' })
  t.match((await ask('/readyz', { authorization: `Bearer ${TOKEN}` })).body, /keys of corp.*ECONNREFUSED/)
})

t.test('wrong tokens are counted, told to the operator, and refused before there are many', async t => {
  const { ask, guard, lines } = await open(t, { token: TOKEN }, 300)
  t.equal((await ask('/-/config')).status, 401, 'none is no guess')
  t.equal(guard.refused.token, 0)
  const answers = await Promise.all(
    Array.from({ length: 40 }, (_, n) => ask('/metrics', { authorization: `Bearer ${TOKEN}${n}` }))
  )
  t.equal(guard.refused.token, 40)
  t.ok(answers.some(({ status, headers }) => status === 429 && Number(headers['retry-after']) > 0))
  t.ok(answers.every(({ status }) => status === 401 || status === 429))
  t.strictSame(lines, [
    { address: '127.0.0.1', wrong: 1 },
    { address: '127.0.0.1', wrong: 10 }
  ])
  t.notMatch(JSON.stringify(lines), TOKEN)
  t.equal(
    (await ask('/-/config', { authorization: `Bearer ${TOKEN}` })).status,
    200,
    'the operator is let in meanwhile'
  )
})
