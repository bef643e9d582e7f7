import t from 'tap'
import { createPolicies } from '../../src/limit/policies.ts'
import { client, identity, limitOptions, limits, team } from '../helpers/limit-scene.ts'

const START = Date.parse('2026-03-04T12:00:00Z')
const make = (of: Parameters<typeof limitOptions>[0], nowMs = () => START) => createPolicies(limitOptions(of), nowMs)
const names = (policies: ReturnType<typeof make>, who = identity(), at = client(), model: string | null = 'm') =>
  policies.of(who, at, model).map(({ name, amount }) => `${name} ${amount}`)

t.test('nothing configured limits nothing', async t => {
  const policies = make({ teams: new Map([['team-a', team({})]]) })
  t.equal(policies.isEmpty, true)
  t.strictSame(names(policies), [])
})

t.test('a call meets the limits of its subject, team, model, both, address, and of all', async t => {
  const rpm = (n: number) => limits({ rpm: n })
  const policies = make({
    subject: rpm(1),
    ip: rpm(5),
    global: rpm(6),
    models: new Map([['m', rpm(4)]]),
    teams: new Map([['team-a', team({ team: rpm(2), models: new Map([['m', rpm(3)]]) })]])
  })
  t.equal(policies.isEmpty, false)
  t.strictSame(names(policies), [
    'user.rpm 1',
    'team.rpm 2',
    'team_model.rpm 3',
    'model.rpm 4',
    'ip.rpm 5',
    'global.rpm 6'
  ])
  t.strictSame(names(policies, identity(), client(), 'other'), ['user.rpm 1', 'team.rpm 2', 'ip.rpm 5', 'global.rpm 6'])
  t.strictSame(names(policies, identity({ team: 'team-b' }), client(), null), [
    'user.rpm 1',
    'ip.rpm 5',
    'global.rpm 6'
  ])
  const keys = policies.of(identity(), client(), 'm').map(({ key }) => key)
  t.equal(new Set(keys).size, 6)
})

t.test(
  'per_user stands in the place of the default, and the team * in the place of those that are not named',
  async t => {
    const policies = make({
      subject: limits({ rpm: 60 }),
      teams: new Map([
        ['team-a', team({ subject: limits({ tpm: 500 }) })],
        ['*', team({ team: limits({ rpm: 7 }) })]
      ])
    })
    t.strictSame(names(policies), ['user.tpm 500'])
    const [one, other] = ['x', 'y'].map(name => policies.of(identity({ team: name }), client(), null))
    t.strictSame(names(policies, identity({ team: 'x' })), ['user.rpm 60', 'team.rpm 7'])
    t.not(one?.[1]?.key, other?.[1]?.key)
  }
)

t.test('subjects of the same name are two when their issuers are two, or their teams', async t => {
  const policies = make({ subject: limits({ rpm: 1 }) })
  const keys = [identity(), identity({ iss: 'https://other' }), identity({ team: 'b' }), identity({ sub: 'u-2' })].map(
    who => policies.of(who, client(), null)[0]?.key
  )
  t.equal(new Set(keys).size, 4)
  t.equal(policies.of(identity({ jti: 'another token' }), client(), null)[0]?.key, keys[0])
  t.notMatch(keys[0], 'u-1')
})

t.test('a claim lowers a limit of its subject, or limits what was not limited; it never raises one', async t => {
  const claimed = (rpm: number | null, concurrent: number | null = null) =>
    identity({ limits: { rpm, tpm: null, concurrent } })
  const policies = make({ subject: limits({ rpm: 60, tpm: 1_000 }) })
  t.strictSame(names(policies, claimed(10)), ['user.rpm 10', 'user.tpm 1000'])
  t.strictSame(names(policies, claimed(1_000_000)), ['user.rpm 60', 'user.tpm 1000'])
  t.strictSame(names(policies, claimed(null, 2)), ['user.rpm 60', 'user.tpm 1000', 'user.concurrent 2'])
  t.strictSame(names(make({}), claimed(5)), ['user.rpm 5'])
})

t.test('callers behind a proxy that names nobody do not share one limit of addresses', async t => {
  const policies = make({ ip: limits({ rpm: 1 }) })
  t.strictSame(names(policies, identity(), client('10.0.0.1', true)), [])
  t.strictSame(names(policies), ['ip.rpm 1'])
})

t.test('a budget ends with the day or the month of its place, and the next one begins then', async t => {
  let now = START
  const budgets = [
    { tokens: 100, requests: null, per: 'day', tz: 'Asia/Shanghai', isShadow: false },
    { tokens: null, requests: 7, per: 'month', tz: 'UTC', isShadow: true }
  ] as const
  const policies = make({ teams: new Map([['team-a', team({ team: limits({ budgets }) })]]) }, () => now)
  const who = identity()
  t.match(policies.of(who, client(), null), [
    { name: 'team.tokens_per_day', amount: 100, resource: 'tokens', endsAtMs: Date.parse('2026-03-04T16:00:00Z') },
    { name: 'team.requests_per_month', amount: 7, isShadow: true, endsAtMs: Date.parse('2026-04-01T00:00:00Z') }
  ])
  now = Date.parse('2026-03-04T16:00:00Z')
  t.match(policies.of(who, client(), null), [{ endsAtMs: Date.parse('2026-03-05T16:00:00Z') }])
})

t.test('buckets of one team stand together in a cluster, and those that teams share together too', async t => {
  const rpm = limits({ rpm: 1 })
  const policies = make({
    subject: rpm,
    ip: rpm,
    global: rpm,
    models: new Map([['m', rpm]]),
    teams: new Map([['team-a', team({ team: rpm, models: new Map([['m', rpm]]) })]])
  })
  const tags = policies.of(identity(), client(), 'm').map(({ key }) => /\{([^}]+)\}/.exec(key)?.[1])
  t.strictSame(tags, ['team-a', 'team-a', 'team-a', '*', '*', '*'])
})

t.test('what a caller is told of a limit names his own team and no other', async t => {
  const rpm = limits({ rpm: 1 })
  const policies = make({
    global: rpm,
    models: new Map([['m', rpm]]),
    teams: new Map([['team-a', team({ team: rpm })]])
  })
  t.strictSame(
    policies.of(identity(), client(), 'm').map(({ words }) => words),
    [
      "Your team's limit of 1 requests per minute",
      "The limit of 1 requests per minute for the model 'm'",
      "This gate's limit of 1 requests per minute"
    ]
  )
})

t.test('a suspended team is suspended, also as any other', async t => {
  const policies = make({
    teams: new Map([
      ['*', team({ isSuspended: true })],
      ['team-a', team({})]
    ])
  })
  t.equal(policies.isSuspended(identity()), false)
  t.equal(policies.isSuspended(identity({ team: 'x' })), true)
  t.equal(policies.isSuspended(identity({ team: null })), false)
  t.equal(policies.isEmpty, false)
})
