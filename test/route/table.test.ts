import t from 'tap'
import type { Call, Identity } from '../../src/exchange.ts'
import type { RouteOptions, TeamOptions } from '../../src/route/options.ts'
import { createRouteTable } from '../../src/route/table.ts'
import { EQUAL, poolOf, poolOptions } from '../helpers/pools.ts'

const TEAMS: RouteOptions['teams'] = new Map([
  ['red', { pools: ['a'], models: null, ...EQUAL }],
  ['blue', { pools: ['a', 'b'], models: ['n', 'o'], ...EQUAL }],
  ['green', { pools: ['learned', 'b'], models: null, ...EQUAL }]
])
const POOLS = [
  poolOptions('a', ['http://a1', 'http://a2', 'http://a3'], { models: ['m', 'n'] }),
  poolOptions('b', ['http://b1'], { models: ['n', 'o'] }),
  poolOptions('learned', ['http://l1'])
]
const who = (team: string | null) => ({ team }) as Identity
const call = (model: string | null, routePool: string | null = null) => ({ model, routePool }) as Call
const table = (learned: () => readonly string[] | null = () => null, teams = TEAMS) =>
  createRouteTable(teams, new Map(POOLS.map(options => [options.name, poolOf(options, { learned })])))

t.test('of several pools the first that serves the model takes the call', async t => {
  t.equal(table().find(who('blue'), call('n')).name, 'a')
  t.equal(table().find(who('blue'), call('o')).name, 'b')
})

t.test('a model that no pool of the team serves, or that the team may not use, does not exist for it', async t => {
  const missing = { code: 'TOLLGATE_ROUTE_MODEL', detail: { param: 'model' } }
  t.throws(() => table().find(who('red'), call('o')), missing)
  t.throws(() => table().find(who('blue'), call('m')), missing)
})

t.test('a team that the file does not name is refused, unless there is any other; no team is no team', async t => {
  const refused = { code: 'TOLLGATE_ROUTE_TEAM' }
  for (const team of ['other', null, '*', '__proto__'])
    t.throws(() => table().find(who(team), call('m')), refused, String(team))
  const open = table(() => null, new Map([...TEAMS, ['*', { pools: ['a'], models: null, ...EQUAL }]]))
  t.equal(open.find(who('other'), call('m')).name, 'a')
  t.throws(() => open.find(who(null), call('m')), refused)
  t.throws(() => open.find(who('*'), call('m')), refused)
})

t.test('a place is for the team of the token, as the file has it; a caller can only ask for less', async t => {
  const named: TeamOptions = { pools: ['a'], models: null, weight: 3, class: 'interactive' }
  const any: TeamOptions = { pools: ['a'], models: null, weight: 2, class: 'bulk' }
  const teams = new Map([
    ['named', named],
    ['*', any]
  ])
  const { partyOf } = table(() => null, teams)
  t.strictSame(partyOf(who('named'), undefined), { team: 'named', weight: 3, class: 'interactive' })
  t.strictSame(partyOf(who('named'), 'default'), { team: 'named', weight: 3, class: 'default' })
  t.strictSame(partyOf(who('named'), 'system'), { team: 'named', weight: 3, class: 'interactive' })
  t.strictSame(partyOf(who('other'), undefined), { team: 'other', weight: 2, class: 'bulk' })
  t.throws(() => partyOf(who(null), undefined), { code: 'TOLLGATE_ROUTE_TEAM' })
})

t.test('before an engine has said what it serves, nobody can tell; afterwards its word counts', async t => {
  t.throws(() => table().find(who('green'), call('x')), { code: 'TOLLGATE_ROUTE_UNKNOWN' })
  t.equal(table().find(who('green'), call('o')).name, 'b')
  t.equal(table(() => ['x']).find(who('green'), call('x')).name, 'learned')
  t.throws(() => table(() => []).find(who('green'), call('x')), { code: 'TOLLGATE_ROUTE_MODEL' })
})

t.test('a call without a model goes to the pool of its route, or to the first of the team', async t => {
  t.equal(table().find(who('red'), call(null, 'b')).name, 'b')
  t.equal(table().find(who('red'), call('whatever', 'b')).name, 'b')
  t.equal(table().find(who('blue'), call(null)).name, 'a')
})

t.test(
  'a session without a model yet goes to the only pool that has the route, and later names one of its models',
  async t => {
    const session = {
      model: null,
      routePool: null,
      routeScope: 's',
      operation: 'realtime',
      method: 'GET',
      path: '/x'
    } as Call
    t.throws(() => table().find(who('blue'), session), { code: 'TOLLGATE_ROUTE_AMBIGUOUS' })
    const pool = table().find(who('red'), session)
    t.equal(pool.name, 'a')
    const target = { pool: 'a', engine: 'vllm', origin: 'http://a1' } as const
    t.doesNotThrow(() => table().check(who('red'), 'm', target))
    t.doesNotThrow(() => table().check(who('blue'), 'n', target))
    t.throws(() => table().check(who('blue'), 'm', target), { code: 'TOLLGATE_ROUTE_MODEL' })
    t.throws(() => table().check(who('red'), 'o', target), { code: 'TOLLGATE_ROUTE_MODEL' })
    t.throws(() => table().check(who('other'), 'm', target), { code: 'TOLLGATE_ROUTE_TEAM' })
    const learned = { ...target, pool: 'learned' }
    t.throws(() => table().check(who('green'), 'x', learned), { code: 'TOLLGATE_ROUTE_UNKNOWN' })
    t.doesNotThrow(() => table(() => ['x']).check(who('green'), 'x', learned))
  }
)

t.test('the models of a team bound it on a route with a pool of its own too', async t => {
  t.equal(table().find(who('blue'), call('n', 'learned')).name, 'learned')
  t.throws(() => table().find(who('blue'), call('m', 'learned')), { code: 'TOLLGATE_ROUTE_MODEL' })
})

t.test('two teams of one pool share it, and a learned list is followed when it changes', async t => {
  let said: readonly string[] = ['x']
  const { find } = table(() => said)
  t.equal(find(who('red'), call('n')), find(who('blue'), call('n')))
  t.equal(find(who('green'), call('x')).name, 'learned')
  said = ['y']
  t.throws(() => find(who('green'), call('x')), { code: 'TOLLGATE_ROUTE_MODEL' })
  t.equal(find(who('green'), call('y')).name, 'learned')
})

t.test('the list of a team has each model once, and only those that it may use', async t => {
  t.strictSame(table().modelsOf(who('red')), ['m', 'n'])
  t.strictSame(table().modelsOf(who('blue')), ['n', 'o'])
  t.strictSame(table().modelsOf(who('green')), ['n', 'o'])
  t.strictSame(table(() => ['x']).modelsOf(who('green')), ['x', 'n', 'o'])
  t.throws(() => table().modelsOf(who('other')), { code: 'TOLLGATE_ROUTE_TEAM' })
})
