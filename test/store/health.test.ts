import t from 'tap'
import { StoreFault } from '../../src/store/faults.ts'
import { StoreHealth } from '../../src/store/health.ts'

function scene() {
  const told: string[] = []
  let now = 0
  const health = new StoreHealth(
    {
      down: ({ why }) => told.push(why),
      up: () => told.push('up'),
      warn: ({ why }) => told.push(`warn ${why}`)
    },
    () => now
  )
  return { health, told, fail: (why: string) => health.failed(new StoreFault(why, 'fix')), wait: () => (now += 60_000) }
}

t.test('a cause is told once, and another one when it lasts', async t => {
  const { health, told, fail } = scene()
  t.match(health.status, { state: 'connecting', why: null, fix: null })
  for (const why of ['a', 'a', 'b', 'b', 'b', 'c', 'b']) fail(why)
  t.strictSame(told, ['a', 'b'])
  t.match(health.status, { state: 'down', why: 'b', fix: 'fix' }, 'what is shown is always the last one')
  health.answered()
  health.answered()
  t.match(health.status, { state: 'up', why: null })
  fail('a')
  t.strictSame(told, ['a', 'b', 'up', 'a'])
})

t.test('causes that take turns are told once a minute at most', async t => {
  const { told, fail, wait } = scene()
  for (let i = 0; i < 100; i++) for (const why of ['a', 'a', 'b', 'b']) fail(why)
  t.strictSame(told, ['a', 'b'])
  wait()
  for (let i = 0; i < 100; i++) for (const why of ['a', 'a', 'b', 'b']) fail(why)
  t.strictSame(told, ['a', 'b', 'a', 'b'])
})

t.test('what was noted is the cause when it turns out to matter', async t => {
  const { health, told } = scene()
  health.answered()
  health.note(new StoreFault('a node is away'))
  t.match(health.status, { state: 'up', why: null })
  health.lost(new StoreFault('closed'))
  t.strictSame(told, ['a node is away'])
  t.equal(health.reason, 'a node is away')
})

t.test('a store that answers is warned of once for each text', async t => {
  const { health, told } = scene()
  for (const why of ['x', 'x', 'y']) health.warn('eviction', { why, fix: '' })
  t.strictSame(told, ['warn x', 'warn y'])
  t.strictSame(health.status.warnings, ['y'])
  health.warn('eviction', null)
  t.strictSame(health.status.warnings, [])
})
