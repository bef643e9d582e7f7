import t from 'tap'
import type { Call, Identity } from '../../src/exchange.ts'
import type { RouteOptions } from '../../src/route/options.ts'
import { createRouteTable } from '../../src/route/table.ts'

const pool = (name: string, targets: string[], models: string[] | null) =>
  [name, { name, engine: 'vllm', targets, models }] as const
const options: RouteOptions = {
  pools: new Map([
    pool('a', ['http://a1', 'http://a2', 'http://a3'], ['m', 'n']),
    pool('b', ['http://b1'], ['n', 'o']),
    pool('learned', ['http://l1'], null)
  ]),
  teams: new Map([
    ['red', { pools: ['a'], models: null }],
    ['blue', { pools: ['a', 'b'], models: ['n', 'o'] }],
    ['green', { pools: ['learned', 'b'], models: null }]
  ])
}
const who = (team: string | null) => ({ team }) as Identity
const call = (model: string | null, routePool: string | null = null) => ({ model, routePool }) as Call
const table = (learned: readonly string[] | null = null, more: RouteOptions = options) =>
  createRouteTable(more, { learned: () => learned })

t.test('a team goes to its pool, and the targets take turns', async t => {
  const { choose } = table()
  const origins = Array.from({ length: 6 }, () => choose(who('red'), call('m')).origin)
  t.strictSame(origins, ['http://a1', 'http://a2', 'http://a3', 'http://a1', 'http://a2', 'http://a3'])
})

t.test('of several pools the first that serves the model takes the call', async t => {
  t.equal(table().choose(who('blue'), call('n')).pool, 'a')
  t.equal(table().choose(who('blue'), call('o')).pool, 'b')
})

t.test('a model that no pool of the team serves, or that the team may not use, does not exist for it', async t => {
  const missing = { code: 'TOLLGATE_ROUTE_MODEL', detail: { param: 'model' } }
  t.throws(() => table().choose(who('red'), call('o')), missing)
  t.throws(() => table().choose(who('blue'), call('m')), missing)
})

t.test('a team that the file does not name is refused, unless there is any other; no team is no team', async t => {
  const refused = { code: 'TOLLGATE_ROUTE_TEAM' }
  for (const team of ['other', null, '*', '__proto__'])
    t.throws(() => table().choose(who(team), call('m')), refused, String(team))
  const open = table(null, { ...options, teams: new Map([...options.teams, ['*', { pools: ['a'], models: null }]]) })
  t.equal(open.choose(who('other'), call('m')).pool, 'a')
  t.throws(() => open.choose(who(null), call('m')), refused)
  t.throws(() => open.choose(who('*'), call('m')), refused)
})

t.test('before an engine has said what it serves, nobody can tell; afterwards its word counts', async t => {
  t.throws(() => table().choose(who('green'), call('x')), { code: 'TOLLGATE_ROUTE_UNKNOWN' })
  t.equal(table().choose(who('green'), call('o')).pool, 'b')
  t.equal(table(['x']).choose(who('green'), call('x')).pool, 'learned')
  t.throws(() => table([]).choose(who('green'), call('x')), { code: 'TOLLGATE_ROUTE_MODEL' })
})

t.test('a call without a model goes to the pool of its route, or to the first of the team', async t => {
  t.equal(table().choose(who('red'), call(null, 'b')).pool, 'b')
  t.equal(table().choose(who('red'), call('whatever', 'b')).pool, 'b')
  t.equal(table().choose(who('blue'), call(null)).pool, 'a')
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
    t.throws(() => table().choose(who('blue'), session), { code: 'TOLLGATE_ROUTE_AMBIGUOUS' })
    const target = table().choose(who('red'), session)
    t.equal(target.pool, 'a')
    t.doesNotThrow(() => table().check(who('red'), 'm', target))
    t.doesNotThrow(() => table().check(who('blue'), 'n', target))
    t.throws(() => table().check(who('blue'), 'm', target), { code: 'TOLLGATE_ROUTE_MODEL' })
    t.throws(() => table().check(who('red'), 'o', target), { code: 'TOLLGATE_ROUTE_MODEL' })
    t.throws(() => table().check(who('other'), 'm', target), { code: 'TOLLGATE_ROUTE_TEAM' })
    const learned = { ...target, pool: 'learned' }
    t.throws(() => table().check(who('green'), 'x', learned), { code: 'TOLLGATE_ROUTE_UNKNOWN' })
    t.doesNotThrow(() => table(['x']).check(who('green'), 'x', learned))
  }
)

t.test('the models of a team bound it on a route with a pool of its own too', async t => {
  t.equal(table().choose(who('blue'), call('n', 'learned')).pool, 'learned')
  t.throws(() => table().choose(who('blue'), call('m', 'learned')), { code: 'TOLLGATE_ROUTE_MODEL' })
})

t.test(
  'pools of one name in two teams take turns together, and a learned list is followed when it changes',
  async t => {
    let said: readonly string[] = ['x']
    const { choose } = createRouteTable(options, { learned: () => said })
    t.equal(choose(who('red'), call('n')).origin, 'http://a1')
    t.equal(choose(who('blue'), call('n')).origin, 'http://a2')
    t.equal(choose(who('green'), call('x')).pool, 'learned')
    said = ['y']
    t.throws(() => choose(who('green'), call('x')), { code: 'TOLLGATE_ROUTE_MODEL' })
    t.equal(choose(who('green'), call('y')).pool, 'learned')
  }
)

t.test('the list of a team has each model once, and only those that it may use', async t => {
  t.strictSame(table().modelsOf(who('red')), ['m', 'n'])
  t.strictSame(table().modelsOf(who('blue')), ['n', 'o'])
  t.strictSame(table().modelsOf(who('green')), ['n', 'o'])
  t.strictSame(table(['x']).modelsOf(who('green')), ['x', 'n', 'o'])
  t.throws(() => table().modelsOf(who('other')), { code: 'TOLLGATE_ROUTE_TEAM' })
})
