import t from 'tap'
import type { Facts } from '../../src/probe/facts.ts'
import { type ConfiguredModels, judgeModels } from '../../src/probe/models.ts'
import { someFacts } from './some-facts.ts'

const serving = (target: string, names: readonly string[], more: Partial<Facts> = {}) =>
  someFacts({ target, models: { is: 'said', value: { names, owners: [] } }, ...more })
const silent = someFacts({ target: 'c', models: { is: 'failed', why: 'late', cause: '' } })

function found(facts: readonly Facts[], configured: Partial<ConfiguredModels> & { list?: readonly string[] | null }) {
  const { list = null, ...more } = configured
  return judgeModels(facts, { byPool: new Map([['p', list]]), teams: new Map(), named: [], ...more }).map(
    ({ code, target, models = [] }) => [code, target, ...models]
  )
}

t.test('names that agree are no finding', async t => {
  t.strictSame(found([serving('a', ['x', 'y'])], { list: ['x', 'y'] }), [])
  t.strictSame(found([serving('a', ['x']), serving('b', ['x'])], {}), [])
})

t.test('a configured name that is not served is an error, one that is served beside it good to know', async t => {
  t.strictSame(found([serving('a', ['x', 'z'])], { list: ['x', 'y'] }), [
    ['P301', 'a', 'y'],
    ['P302', 'a', 'z']
  ])
})

t.test('SGLang serves an adapter as base:adapter, of names that it lists apart; others do not', async t => {
  const sglang = { engine: 'sglang' } as const
  t.strictSame(found([serving('a', ['x', 'lora'], sglang)], { list: ['x', 'lora', 'x:lora'] }), [])
  t.strictSame(found([serving('a', ['x', 'lora'], sglang)], { list: ['x', 'lora', 'x:other'] }), [
    ['P301', 'a', 'x:other']
  ])
  t.strictSame(found([serving('a', ['x', 'lora'])], { list: ['x', 'lora', 'x:lora'] }), [['P301', 'a', 'x:lora']])
})

t.test(
  'targets of a pool that differ are a warning of the pool; one that did not answer is not held to differ',
  async t => {
    t.strictSame(found([serving('a', ['x', 'y']), serving('b', ['x'])], {}), [['P303', null, 'y']])
    t.strictSame(found([serving('a', ['x']), silent], {}), [])
  }
)

t.test(
  'a model of a team, and one with aliases, that no pool serves is a warning once every target has spoken',
  async t => {
    const teams = new Map([['t', { pools: ['p'], models: ['x', 'gone'] }]])
    t.strictSame(found([serving('a', ['x'])], { teams, named: ['x', 'lost'] }), [
      ['P304', null, 'gone'],
      ['P305', null, 'lost']
    ])
    t.strictSame(found([serving('a', ['x']), silent], { teams, named: ['lost'] }), [])
    t.strictSame(found([], { teams, named: ['lost'] }), [], 'nor where a pool was not asked')
    t.strictSame(found([silent], { list: ['x'], named: ['x', 'lost'] }), [['P305', null, 'lost']], 'a list is known')
  }
)
