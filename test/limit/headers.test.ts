import t from 'tap'
import { durationText, rateLimitHeaders, toldWaitMs } from '../../src/limit/headers.ts'
import type { Policy } from '../../src/limit/policies.ts'
import { budget, lease, rate } from '../helpers/draws.ts'

const NOW = 1_700_000_000_000
const policy = (draw: ReturnType<typeof rate>): Policy => ({
  ...draw,
  name: draw.key,
  scope: 'team',
  model: null,
  words: ''
})

t.test('durations are written as OpenAI writes them', async t => {
  const texts = [0, 0.2, 12, 999, 1_000, 1_001, 59_000, 60_000, 360_000, 3_600_000, 7_230_000].map(durationText)
  t.strictSame(texts, ['0ms', '1ms', '12ms', '999ms', '1s', '2s', '59s', '1m0s', '6m0s', '1h0m0s', '2h0m30s'])
})

t.test('the limit of which the least is left is the one that is told of, for requests and for tokens', async t => {
  const policies = [
    policy(rate('a', 60, { resource: 'requests' })),
    policy(rate('b', 10, { resource: 'requests' })),
    policy(rate('c', 1_000)),
    policy(budget('d', 5_000, NOW + 7_230_000)),
    policy(lease('e', 1))
  ]
  t.strictSame(Object.fromEntries(rateLimitHeaders(policies, [58, 4, 100, 4_990, 1], NOW)), {
    'x-ratelimit-limit-requests': '60',
    'x-ratelimit-remaining-requests': '2',
    'x-ratelimit-reset-requests': '58s',
    'x-ratelimit-limit-tokens': '5000',
    'x-ratelimit-remaining-tokens': '10',
    'x-ratelimit-reset-tokens': '2h0m30s'
  })
})

t.test('a debt is no number below zero, and a limit in shadow is not told of', async t => {
  const policies = [policy(rate('a', 100)), policy(rate('b', 10, { isShadow: true }))]
  t.match(Object.fromEntries(rateLimitHeaders(policies, [160, 10], NOW)), {
    'x-ratelimit-limit-tokens': '100',
    'x-ratelimit-remaining-tokens': '0',
    'x-ratelimit-reset-tokens': '1m36s'
  })
})

t.test('what several teams share is not told of, however little is left of it', async t => {
  const policies = [
    policy(rate('a', 60, { resource: 'requests' })),
    policy(rate('all', 10, { resource: 'requests', isShared: true })),
    policy(rate('model', 1_000, { isShared: true }))
  ]
  t.strictSame(Object.fromEntries(rateLimitHeaders(policies, [1, 9, 990], NOW)), {
    'x-ratelimit-limit-requests': '60',
    'x-ratelimit-remaining-requests': '59',
    'x-ratelimit-reset-requests': '1s'
  })
})

t.test('when to come again is told exactly of an own limit, and in doubling steps of a shared one', async t => {
  const [own, shared] = [policy(rate('a', 60)), policy(rate('b', 60, { isShared: true }))]
  t.strictSame(
    [1, 999, 1_001, 33_333].map(ms => toldWaitMs(own, ms)),
    [1, 999, 1_001, 33_333]
  )
  t.strictSame(
    [1, 999, 1_001, 33_333].map(ms => toldWaitMs(shared, ms)),
    [1_000, 1_000, 2_000, 64_000]
  )
  const day = policy(budget('c', 60, NOW + 7_777, { isShared: true }))
  t.equal(toldWaitMs(day, 7_777), 7_777, 'a period ends when it ends')
})
