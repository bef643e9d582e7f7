import type { AddressInfo } from 'node:net'
import { Writable } from 'node:stream'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { buildAdmin } from '../../src/admin/app.ts'
import { runBans } from '../../src/admin/bans-command.ts'
import { Bans } from '../../src/identify/bans.ts'
import { guardOf } from '../helpers/admin-guard.ts'
import { banOptions } from '../helpers/ban-options.ts'

const HERE = { host: '127.0.0.1:9090' }

async function scene(t: Test, token: string | null = null) {
  const bans = new Bans(banOptions(), { nowMs: () => Date.UTC(2026, 0, 2), onChange: () => {} })
  const app = await buildAdmin({
    log: pino({ level: 'silent' }),
    checks: () => [],
    token,
    guard: guardOf({ token }),
    reload: () => ({ ok: true }),
    config: () => ({}),
    compare: () => ({ ok: true, differing: [] }),
    revocations: { list: () => ({}), add: async () => ({ isNew: true }), lift: async () => ({}) },
    bans,
    metrics: async () => ({ type: 'text/plain', text: '' })
  })
  t.teardown(() => app.close())
  return { bans, app }
}

t.test('operators list, add and lift bans, by address or by key', async t => {
  const { app, bans } = await scene(t)
  const ask = (method: 'GET' | 'POST' | 'DELETE', url: string, payload?: object) =>
    app.inject({ method, url, headers: HERE, ...(payload === undefined ? {} : { payload }) })
  t.strictSame((await ask('GET', '/-/bans')).json(), { bans: [] })
  const added = await ask('POST', '/-/bans', { address: '2001:db8::7', for: '10m' })
  t.equal(added.statusCode, 201)
  t.strictSame(added.json(), {
    key: '2001:db8:0:0::/64',
    address: '2001:db8::7',
    reason: 'manual',
    since: '2026-01-02T00:00:00.000Z',
    until: '2026-01-02T00:10:00.000Z',
    times: 1
  })
  await ask('POST', '/-/bans', { address: '203.0.113.7' })
  t.equal((await ask('GET', '/-/bans')).json().bans.length, 2)
  for (const url of ['/-/bans/2001:db8:0:0::/64', '/-/bans/2001%3Adb8%3A0%3A0%3A%3A%2F64', '/-/bans/2001:db8::9']) {
    bans.add('2001:db8::7', { forMs: 1_000 })
    t.strictSame((await ask('DELETE', url)).json(), { lifted: true }, url)
  }
  t.equal((await ask('DELETE', '/-/bans', { address: '203.0.113.7' })).statusCode, 200)
  for (const payload of [{ address: '203.0.113.7' }, { address: 7 }, {}]) {
    t.equal((await ask('DELETE', '/-/bans', payload)).statusCode, 404)
  }
  t.equal((await ask('DELETE', '/-/bans')).statusCode, 404)
  t.equal((await ask('DELETE', '/-/bans/203.0.113.7')).statusCode, 404)
})

t.test('what is no address, no time or never banned is refused with a sentence', async t => {
  const { app, bans } = await scene(t)
  const post = (payload: object) => app.inject({ method: 'POST', url: '/-/bans', headers: HERE, payload })
  for (const payload of [
    {},
    { address: '203.0.113.7', for: 'ever' },
    { address: '203.0.113.7', for: '31d' },
    { address: '203.0.113.7', for: '0s' },
    { address: '203.0.113.7', for: 7 },
    []
  ]) {
    t.equal((await post(payload)).statusCode, 400)
  }
  for (const address of ['127.0.0.1', '::1', 'gate.example.com', '203.0.113.0/24']) {
    t.match((await post({ address })).json(), { error: /never banned/ }, address)
  }
  t.strictSame(bans.list(), [])
})

t.test('nobody but the operator sees or changes bans', async t => {
  const { app, bans } = await scene(t, 'a-token-of-the-operator')
  bans.add('203.0.113.7', { forMs: 1_000 })
  for (const method of ['GET', 'POST', 'DELETE'] as const) {
    t.equal((await app.inject({ method, url: '/-/bans', headers: HERE })).statusCode, 401, method)
  }
  t.equal((await app.inject({ method: 'DELETE', url: '/-/bans/203.0.113.7', headers: HERE })).statusCode, 401)
  t.equal(bans.list().length, 1)
})

t.test('tollgate bans does it from a terminal', async t => {
  const token = 'a-token-of-the-operator'
  const { app, bans } = await scene(t, token)
  await app.listen({ host: '127.0.0.1', port: 0 })
  const url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`
  const run = async (...args: string[]) => {
    const texts = { stdout: '', stderr: '' }
    const into = (name: 'stdout' | 'stderr') =>
      new Writable({
        write(piece, _encoding, done) {
          texts[name] += String(piece)
          done()
        }
      })
    const env = { TOLLGATE_ADMIN_TOKEN: token }
    const code = await runBans(args, { stdout: into('stdout'), stderr: into('stderr'), env })
    return { code, ...texts }
  }
  t.match(await run('list', '--url', url), { code: 0, stdout: 'Nobody is banned.\n' })
  t.match(await run('add', '203.0.113.7', '--for', '7d', '--url', url), {
    code: 0,
    stdout: '203.0.113.7 is banned until 2026-01-09T00:00:00.000Z.\n'
  })
  t.match(await run('list', '--url', url), { stdout: /^203\.0\.113\.7 +manual +2026-01-09T00:00:00\.000Z +1$/m })
  t.match(JSON.parse((await run('list', '--url', url, '--format', 'json')).stdout), { bans: [{ key: '203.0.113.7' }] })
  t.match(await run('lift', '203.0.113.7', '--url', url), { code: 0, stdout: /not banned any more/ })
  t.strictSame(bans.list(), [])
  t.match(await run('lift', '203.0.113.7', '--url', url), { code: 1, stderr: /It is not banned/ })
  t.match(await run('add', '127.0.0.1', '--url', url), { code: 1, stderr: /never banned/ })
  t.match(await run('--help'), { code: 0, stdout: /^Usage/ })
  for (const [why, ...args] of [
    ['say list, lift ADDRESS or add ADDRESS'],
    ['say list, lift ADDRESS or add ADDRESS', 'show'],
    ["'list' shows all bans: it takes no address", 'list', 'x'],
    ["'lift' needs an address", 'lift'],
    ['one address at a time, not also b', 'lift', 'a', 'b'],
    ["--for goes with 'add'", 'lift', 'a', '--for', '1h'],
    ['--format is text or json', 'list', '--format', 'x'],
    ['--url is no URL: here', 'list', '--url', 'here']
  ] as const) {
    t.match(await run(...args), { code: 2, stderr: `tollgate bans: ${why}\n\nUsage: ` })
  }
  t.match(await run('list', '--url', 'http://127.0.0.1:1'), { code: 2, stderr: /does not answer/ })
})
