import t from 'tap'
import { createOwnKeys, ownIssuer } from '../../src/authenticate/own-keys.ts'
import { createClock } from '../helpers/clock.ts'
import { makeKey } from '../helpers/issuer.ts'

const UNKNOWN = { code: 'TOLLGATE_AUTHENTICATE_INVALID' }

function scene() {
  const clock = createClock(1_000_000)
  const [first, second] = [makeKey(), makeKey()]
  const source = {
    publicJwks: { keys: [first.publicJwk] },
    version: 1,
    status: { ageMs: 5, lastError: null, reads: { done: 7, failed: 0 } },
    looks: 0,
    onLook: () => {},
    async reread() {
      source.looks++
      source.onLook()
    }
  }
  const publish = (...keys: object[]) => {
    source.publicJwks = { keys: keys as (typeof first.publicJwk)[] }
    source.version++
  }
  return { clock, first, second, source, publish, keys: createOwnKeys(source, clock) }
}

t.test('a key is found by its name for its own algorithm, and is active until it is taken away', async t => {
  const { keys, first, second, publish } = scene()
  const [found] = await keys.find(first.kid, 'ES256')
  t.ok(found && keys.isActive(found.thumbprint, 0))
  await t.rejects(keys.find(first.kid, 'EdDSA'), UNKNOWN)
  await t.rejects(keys.find(null, 'ES256'), UNKNOWN)
  publish(second.publicJwk)
  t.equal(keys.isActive(found?.thumbprint ?? '', 0), false)
  t.equal(keys.version, 2)
  t.match(keys.status(), { name: 'tollgate', ready: true, ageMs: 5, kids: [second.kid], loads: { done: 7 } })
})

t.test(
  'for a key that is not known the folder is looked at once more, so that another gate may sign at once',
  async t => {
    const { keys, second, source, publish } = scene()
    source.onLook = () => publish(second.publicJwk)
    t.equal((await keys.find(second.kid, 'ES256')).length, 1)
    t.equal(source.looks, 1)
  }
)

t.test('tokens with invented keys cost five looks at once, then one in a second', async t => {
  const { keys, source, clock } = scene()
  const flood = () => Promise.allSettled(Array.from({ length: 50 }, (_, index) => keys.find(`k${index}`, 'ES256')))
  await flood()
  t.equal(source.looks, 5)
  clock.advance(1_000)
  await flood()
  t.equal(source.looks, 6)
})

t.test('a folder that never answers keeps nobody waiting for ever', async t => {
  const { keys, source } = scene()
  source.reread = () => new Promise(() => {})
  await t.rejects(keys.find('k', 'ES256'), UNKNOWN)
})

t.test('the gate is as strict with itself as with others: access tokens alone, for an hour at most', async t => {
  t.match(ownIssuer({ issuer: 'https://g', audience: 'a', maxLifetimeMs: 3_600_000 }), {
    types: ['at+jwt'],
    audiences: ['a'],
    maxLifetimeMs: 3_600_000,
    algorithms: ['ES256', 'EdDSA', 'RS256']
  })
})
