import t from 'tap'
import { createClock } from '../helpers/clock.ts'
import { scrapeOf } from '../helpers/scrape.ts'
import { open, replace, scene } from '../helpers/two-pools.ts'
import { world } from '../helpers/world.ts'

const CHAT = '/v1/chat/completions'
const MINUTE_MS = 60_000
const KEY = 'a-key-that-only-this-test-has-0123'

const yaml =
  (more: string) =>
  ({ engine, issuer }: { engine: string; issuer: string }) =>
    `
issuers: [{ issuer: "${issuer}", jwks_url: "${issuer}/jwks.json", audience: inference }]
pools: { p: { engine: vllm, targets: ["${engine}"], models: [m], health: { every: 1h } } }
teams: { team-a: { pool: p } }
${more}`

t.test(
  'a user over a threshold is counted, stands in the audit log by name, and in the log as it is shown',
  async t => {
    // It stands at the beginning of a minute, so that no call falls into the next.
    const clock = createClock(Math.ceil(Date.now() / MINUTE_MS) * MINUTE_MS)
    const w = await world(t, {
      nowMs: clock.nowMs,
      yaml: yaml(
        `metrics: { subject_key: ${KEY} }\nalerts: { per_user: [{ name: busy, requests_per_minute: 2 }, { name: hungry, tokens_per_minute: 100 }] }`
      )
    })
    const token = await w.issuer.sign({ sub: 'anna@example.com' })
    await w.engine.script({
      kind: 'json',
      body: { usage: { prompt_tokens: 30, completion_tokens: 4, total_tokens: 34 } }
    })
    for (let i = 0; i < 3; i++) await (await w.ask(CHAT, { token, body: { model: 'm', messages: [] } })).text()
    // A call that is refused is a call too, and nobody's usage.
    t.equal((await w.ask(CHAT, { token, body: { model: 'other', messages: [] } })).status, 404)
    const lines = await w.audits(6)
    const alerts = lines.filter(line => line['event.kind'] === 'alert')
    t.match(alerts, [
      {
        'event.action': 'subject.threshold_exceeded',
        'event.reason': 'busy',
        'user.id': 'anna@example.com',
        'organization.id': 'team-a',
        'tollgate.token.iss': w.issuer.url,
        'tollgate.alert.measure': 'requests_per_minute',
        'tollgate.alert.limit': 2,
        'tollgate.alert.value': 3
      },
      { 'event.reason': 'hungry', 'tollgate.alert.measure': 'tokens_per_minute', 'tollgate.alert.value': 102 }
    ])
    t.equal(alerts.length, 2)
    const requests = lines.filter(line => line['event.kind'] === undefined)
    t.ok(
      requests.some(line => line['http.request.id'] === alerts[0]?.['http.request.id']),
      'the request that crossed it can be found'
    )
    const said = w.log.filter(line => line.includes('over a threshold'))
    t.equal(said.length, 2)
    t.notMatch(w.log.join(''), /anna/)

    clock.advance(MINUTE_MS)
    const now = await scrapeOf(w)
    const top = now.series('tollgate_top_subject_requests_per_minute')
    t.equal(top.length, 1)
    t.equal(top[0]?.value, 4)
    t.match(top[0]?.labels, { team: 'team-a', sub: /^[0-9a-f]{16}$/ })
    t.ok(said[0]?.includes(`"sub":"${top[0]?.labels.sub}"`), 'one name in metrics and in the log')
    t.equal(now.sum('tollgate_top_subject_tokens_per_minute'), 102)
    t.equal(now.value('tollgate_active_subjects', { team: 'team-a' }), 1)
    t.equal(now.value('tollgate_subject_threshold_exceeded_total', { team: 'team-a', threshold: 'busy' }), 1)
    t.equal(now.value('tollgate_subject_threshold_exceeded_total', { team: 'team-a', threshold: 'hungry' }), 1)
    t.notMatch(now.text, /anna/)
  }
)

t.test('thresholds follow a reload', async t => {
  const s = await scene(t)
  const gate = await open(t, s)
  const says = gate.says('a subject is over a threshold')
  replace(s.file, s.text('a', 'alerts: { per_user: [{ name: busy, requests_per_minute: 1 }] }'))
  gate.child.kill('SIGHUP')
  await gate.says('the configuration was loaded anew')
  t.notMatch(gate.stderr(), /needs a restart/)
  // Two of them are in one minute, sooner or later.
  let isTold = false
  void says.then(() => {
    isTold = true
  })
  while (!isTold) await (await s.ask()).text()
  t.match(gate.stderr(), /"threshold":"busy","requests_per_minute":2,"limit":1,"team":"team-a","sub":"u-1"/)
})
