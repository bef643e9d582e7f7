import { pino } from 'pino'
import t from 'tap'
import { buildAdmin, type Check } from '../../src/admin/app.ts'

const log = pino({ level: 'silent' })

t.test('alive as soon as the process answers, ready only when every check holds', async t => {
  let checks: Check[] = [{ name: 'keys of corp', ok: false, detail: { lastError: 'status 500' } }]
  const app = await buildAdmin({ log, checks: () => checks })
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
  const app = await buildAdmin({ log, checks: () => [] })
  t.teardown(() => app.close())
  for (const path of ['/', '/v1/chat/completions', '/metrics/', '/livez/../x']) {
    t.equal((await app.inject(path)).statusCode, 404, path)
  }
})
