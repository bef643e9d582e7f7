import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import type { Identity } from '../../src/exchange.ts'
import { Families } from '../../src/metrics/families.ts'
import { Names } from '../../src/metrics/names.ts'
import type { MetricsOptions, Threshold } from '../../src/metrics/options.ts'
import { type Crossing, createSubjects, MAX_SUBJECTS } from '../../src/metrics/subjects.ts'
import { callBy, identityOf, NO_THRESHOLDS } from '../helpers/callers.ts'
import { createClock } from '../helpers/clock.ts'
import { readScrape } from '../helpers/scrape.ts'

const MINUTE = 60_000
const TOP = 'tollgate_top_subject_requests_per_minute'
const TOP_TOKENS = 'tollgate_top_subject_tokens_per_minute'
const EXCEEDED = 'tollgate_subject_threshold_exceeded_total'
const BUSY: Threshold = { name: 'busy', requestsPerMinute: 3, tokensPerMinute: Number.POSITIVE_INFINITY }

function scene(some: Partial<MetricsOptions> = {}) {
  const clock = createClock(100 * MINUTE)
  const families = new Families()
  const crossings: Crossing[] = []
  const settings = { options: { ...NO_THRESHOLDS, ...some } }
  const subjects = createSubjects({
    families,
    teams: new Names({ isKnown: name => name === 'red' || name === 'blue', max: 10 }),
    nowMs: clock.nowMs,
    options: () => settings.options,
    onCrossing: crossing => crossings.push(crossing)
  })
  const call = (some: Partial<Identity>, times = 1, tokens: number | null = null) => {
    for (let i = 0; i < times; i++) subjects.observe(callBy(identityOf(some), tokens))
  }
  const read = async () => {
    subjects.read()
    return readScrape(await families.text())
  }
  return { clock, subjects, crossings, settings, call, read }
}

t.test('who called most in the last minute is shown with what they did, and goes when they leave', async t => {
  const { clock, call, read } = scene({ topSubjects: 2 })
  call({ sub: 'a' }, 5, 10)
  call({ sub: 'b', team: 'blue' }, 7, 1)
  call({ sub: 'c' }, 3, 1_000)
  t.strictSame((await read()).series(TOP), [], 'the minute is not over')
  clock.advance(MINUTE)
  let now = await read()
  t.strictSame(now.series(TOP), [
    { labels: { sub: 'b', team: 'blue' }, value: 7 },
    { labels: { sub: 'a', team: 'red' }, value: 5 }
  ])
  t.strictSame(now.series(TOP_TOKENS), [
    { labels: { sub: 'c', team: 'red' }, value: 3_000 },
    { labels: { sub: 'a', team: 'red' }, value: 50 }
  ])
  call({ sub: 'a' })
  clock.advance(MINUTE)
  now = await read()
  t.strictSame(now.series(TOP), [{ labels: { sub: 'a', team: 'red' }, value: 1 }])
  t.strictSame(now.series(TOP_TOKENS), [], 'nothing was told of its tokens')
  clock.advance(2 * MINUTE)
  t.strictSame((await read()).series(TOP), [], 'a minute in which nobody called')
})

t.test('whoever has no good token is nobody, and a team that is not ours is other', async t => {
  const { clock, subjects, call, read } = scene()
  subjects.observe(callBy(null))
  call({ sub: 'a', team: 'strange' })
  call({ sub: 'b', team: null })
  clock.advance(MINUTE)
  const now = await read()
  t.strictSame(
    now.series('tollgate_active_subjects').map(({ labels, value }) => [labels.team, value]),
    [
      ['other', 1],
      ['none', 1]
    ]
  )
})

t.test('with a key, subjects are shown as their keyed hash, as openssl makes it too', async t => {
  const subjectKey = 'k'.repeat(32)
  const { clock, call, read, settings } = scene({ subjectKey })
  call({ sub: 'anna@example.com' })
  clock.advance(MINUTE)
  const hash = createHmac('sha256', subjectKey).update('anna@example.com').digest('hex').slice(0, 16)
  const now = await read()
  t.strictSame(now.series(TOP)[0]?.labels, { sub: hash, team: 'red' })
  t.notMatch(now.text, /anna/)
  settings.options = NO_THRESHOLDS
  t.equal((await read()).series(TOP)[0]?.labels.sub, 'anna@example.com')
})

t.test('no subject is shown where none shall be; how many there are still is', async t => {
  const { clock, call, read } = scene({ topSubjects: 0 })
  call({ sub: 'a' }, 2, 5)
  clock.advance(MINUTE)
  const now = await read()
  t.strictSame([...now.series(TOP), ...now.series(TOP_TOKENS)], [])
  t.equal(now.value('tollgate_active_subjects', { team: 'red' }), 1)
})

t.test('two people whom two issuers call the same are two, and share a row without being added up', async t => {
  const { clock, call, read } = scene()
  call({ sub: 'a', iss: 'https://one' }, 5)
  call({ sub: 'a', iss: 'https://two' }, 3)
  clock.advance(MINUTE)
  const now = await read()
  t.strictSame(now.series(TOP), [{ labels: { sub: 'a', team: 'red' }, value: 5 }])
  t.equal(now.value('tollgate_active_subjects', { team: 'red' }), 2)
})

t.test('any subject that a token may name can be shown', async t => {
  const { clock, call, read } = scene()
  const names = ['a"b\\c', 'a\ud800', 'a\udfff', '李', '𝒳'.repeat(256), 'a,team="x"']
  for (const sub of names) call({ sub })
  clock.advance(MINUTE)
  const now = await read()
  t.strictSame(
    new Set(now.series(TOP).map(({ labels }) => labels.sub)),
    new Set(names.map(name => name.toWellFormed()))
  )
})

t.test('how often the subjects of a team call is sampled once a minute', async t => {
  const { clock, call, read } = scene()
  for (const [sub, times] of [
    ['a', 1],
    ['b', 50],
    ['c', 700]
  ] as const)
    call({ sub }, times)
  call({ sub: 'd', team: 'blue' })
  clock.advance(MINUTE)
  await read()
  let now = await read()
  const name = 'tollgate_subject_requests_per_minute'
  t.equal(now.value(`${name}_count`, { team: 'red' }), 3)
  t.equal(now.value(`${name}_sum`, { team: 'red' }), 751)
  t.equal(now.value(`${name}_bucket`, { team: 'red', le: '60' }), 2)
  t.equal(now.value(`${name}_count`, { team: 'blue' }), 1)
  call({ sub: 'a' })
  clock.advance(5 * MINUTE)
  now = await read()
  t.equal(now.value(`${name}_count`, { team: 'red' }), 4, 'late, but not lost')
})

t.test('a subject that goes over a threshold is told of once in a minute, and again in the next', async t => {
  const { clock, call, crossings, read } = scene({ perUser: [BUSY] })
  call({ sub: 'a' }, 3)
  t.strictSame(crossings, [], 'as many as may be are not more')
  call({ sub: 'a' }, 10)
  call({ sub: 'b' }, 3)
  t.strictSame(
    crossings.map(({ sub, value, limit, measure, minuteAtMs }) => [sub, value, limit, measure, minuteAtMs]),
    [['a', 4, 3, 'requests_per_minute', 100 * MINUTE]]
  )
  clock.advance(MINUTE)
  call({ sub: 'a' }, 10)
  t.equal(crossings.length, 2)
  t.equal((await read()).value(EXCEEDED, { team: 'red', threshold: 'busy' }), 2)
})

t.test('a threshold of both is crossed by the first of them, once', async t => {
  const both: Threshold = { name: 'both', requestsPerMinute: 3, tokensPerMinute: 100 }
  const { call, crossings } = scene({ perUser: [both] })
  call({ sub: 'a' }, 1, 101)
  call({ sub: 'a' }, 9, 101)
  call({ sub: 'b' }, 9, 1)
  call({ sub: 'b' }, 1, 1_000)
  t.strictSame(
    crossings.map(({ sub, measure, value }) => [sub, measure, value]),
    [
      ['a', 'tokens_per_minute', 101],
      ['b', 'requests_per_minute', 4]
    ]
  )
})

t.test('a reload changes thresholds at once', async t => {
  const { call, crossings, settings } = scene()
  call({ sub: 'a' }, 3)
  settings.options = { ...NO_THRESHOLDS, perUser: [BUSY] }
  call({ sub: 'a' }, 3)
  t.equal(crossings.length, 1)
})

t.test('a clock that is set back begins a new minute instead of counting into one for ever', async t => {
  const { clock, call, crossings } = scene({ perUser: [BUSY] })
  call({ sub: 'a' }, 3)
  clock.advance(-3_600_000)
  call({ sub: 'a' }, 3)
  clock.advance(MINUTE)
  call({ sub: 'a' }, 3)
  t.strictSame(crossings, [])
})

t.test(
  'two hundred thousand subjects in a minute: no more are kept than may be, and the busy ones are found',
  async t => {
    const { clock, call, crossings, read } = scene({ perUser: [{ ...BUSY, requestsPerMinute: 600 }] })
    for (let i = 0; i < 200_000; i++) {
      call({ sub: `once-${i}` })
      if (i % 100 === 0) call({ sub: 'busy' })
    }
    t.strictSame(
      crossings.map(({ sub }) => sub),
      ['busy']
    )
    clock.advance(MINUTE)
    const now = await read()
    const { labels, value } = now.series(TOP)[0] ?? { labels: {}, value: 0 }
    t.equal(labels.sub, 'busy')
    t.ok(value <= 2_000 && value >= 2_000 - 202_000 / MAX_SUBJECTS, String(value))
    t.equal(now.series(TOP).length, 20)
    t.equal(now.value('tollgate_active_subjects', { team: 'red' }), MAX_SUBJECTS)
  }
)

t.test('whoever calls whenever: what is shown and told of is what a plain count says', async () => {
  const step = fc.record({
    sub: fc.constantFrom('a', 'b', 'c', 'd'),
    team: fc.constantFrom('red', 'blue'),
    tokens: fc.constantFrom(null, 0, 7, 50),
    waitMs: fc.constantFrom(0, 0, 0, 0, 20_000, MINUTE, 3 * MINUTE)
  })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 80 }), async steps => {
      const perUser = [BUSY, { name: 'both', requestsPerMinute: 5, tokensPerMinute: 60 }]
      const { clock, call, crossings, read } = scene({ perUser })
      const byMinute = new Map<number, Map<string, { requests: number; tokens: number }>>()
      for (const { sub, team, tokens, waitMs } of steps) {
        clock.advance(waitMs)
        call({ sub, team }, 1, tokens)
        const minute = Math.floor(clock.nowMs() / MINUTE)
        const counts = byMinute.get(minute) ?? new Map<string, { requests: number; tokens: number }>()
        byMinute.set(minute, counts)
        const before = counts.get(`${sub} ${team}`) ?? { requests: 0, tokens: 0 }
        counts.set(`${sub} ${team}`, { requests: before.requests + 1, tokens: before.tokens + (tokens ?? 0) })
      }
      const over = [...byMinute].flatMap(([minute, counts]) =>
        [...counts].flatMap(([who, { requests, tokens }]) =>
          perUser
            .filter(threshold => requests > threshold.requestsPerMinute || tokens > threshold.tokensPerMinute)
            .map(({ name }) => `${minute} ${who} ${name}`)
        )
      )
      const told = crossings.map(
        ({ minuteAtMs, sub, team, threshold }) => `${minuteAtMs / MINUTE} ${sub} ${team} ${threshold}`
      )
      if (String(told.sort()) !== String(over.sort())) throw new Error(`told of ${told}, and not ${over}`)

      const last = byMinute.get(Math.floor(clock.nowMs() / MINUTE)) ?? new Map()
      clock.advance(MINUTE)
      const now = await read()
      const rows = (name: string) =>
        now.series(name).map(({ labels, value }) => `${labels.sub} ${labels.team} ${value}`)
      const wanted = [...last].map(([who, { requests }]) => `${who} ${requests}`)
      if (String(rows(TOP).sort()) !== String(wanted.sort())) throw new Error(`${rows(TOP)}, and not ${wanted}`)
      const tokens = [...last].filter(([, { tokens }]) => tokens > 0).map(([who, { tokens }]) => `${who} ${tokens}`)
      if (String(rows(TOP_TOKENS).sort()) !== String(tokens.sort()))
        throw new Error(`${rows(TOP_TOKENS)}, and not ${tokens}`)
      if (now.sum('tollgate_active_subjects') !== last.size) throw new Error('not as many as called')
    }),
    { numRuns: 60 }
  )
})
