import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { createKeySets, type KeySet } from '../../src/authenticate/keys.ts'
import type { IssuerOptions } from '../../src/authenticate/options.ts'
import { createClock } from '../helpers/clock.ts'
import { type Issuer, makeKey, startIssuer } from '../helpers/issuer.ts'
import { issuerOptions } from '../helpers/issuer-options.ts'

const START = 1_800_000_000_000
const UNAVAILABLE = { code: 'TOLLGATE_AUTHENTICATE_KEYS' }
const UNKNOWN = { code: 'TOLLGATE_AUTHENTICATE_INVALID', detail: { reason: 'unknown_kid' } }

interface Fixture {
  readonly issuer: Issuer
  readonly set: KeySet
  readonly clock: ReturnType<typeof createClock>
}

async function fixture(
  t: Test,
  more: Partial<IssuerOptions> = {},
  prepare?: (issuer: Issuer) => void
): Promise<Fixture> {
  const issuer = await startIssuer(t)
  prepare?.(issuer)
  const clock = createClock(START)
  const options = issuerOptions({ issuer: issuer.url, keys: { kind: 'jwks_url', url: issuer.jwksUrl }, ...more })
  const sets = createKeySets([options], { nowMs: clock.nowMs, random: () => 0.5, log: { warn() {}, info() {} } })
  const set = sets.get(issuer.url)
  if (set === undefined) throw new Error('no set')
  t.teardown(() => set.close())
  set.start()
  return { issuer, set, clock }
}

t.test('K5: before the first keys there are none, and a token cannot be judged; then it can', async t => {
  const { issuer, set } = await fixture(t, {}, issuer => issuer.fail('status'))
  await issuer.waitForFetches(1)
  await t.rejects(set.find(issuer.key.kid, 'ES256'), UNAVAILABLE)
  t.equal(set.status().ready, false)
  issuer.fail(null)
  await set.ready()
  t.equal((await set.find(issuer.key.kid, 'ES256')).length, 1)
  t.match(set.status(), { ready: true, lastError: null, kids: [issuer.key.kid] })
})

t.test('K1: keys are fetched in the background, again and again, and never for a token whose key is known', async t => {
  const { issuer, set } = await fixture(t, { refreshEveryMs: 30 })
  await set.ready()
  for (let i = 0; i < 100; i++) await set.find(issuer.key.kid, 'ES256')
  await issuer.waitForFetches(4)
  t.pass()
})

t.test('K2, K3: a source that fails, or has no usable key any more, leaves the last good keys in use', async t => {
  for (const failure of ['status', 'garbage', 'redirect', 'empty', 'huge', 'reset'] as const) {
    const { issuer, set } = await fixture(t, { refreshEveryMs: 20 })
    await set.ready()
    issuer.fail(failure)
    await issuer.waitForFetches(issuer.fetches + 2)
    t.equal((await set.find(issuer.key.kid, 'ES256')).length, 1, failure)
    set.close()
  }
})

t.test('K3: keys that are older than max_stale open nothing any more: 503, not 401', async t => {
  const { issuer, set, clock } = await fixture(t, { refreshEveryMs: 60_000, maxStaleMs: 600_000 })
  await set.ready()
  const [key] = await set.find(issuer.key.kid, 'ES256')
  const thumbprint = key?.thumbprint ?? ''
  clock.advance(690_000)
  t.equal(set.isActive(thumbprint, clock.nowMs()), true)
  t.equal((await set.find(issuer.key.kid, 'ES256')).length, 1)
  clock.advance(1)
  t.equal(set.isActive(thumbprint, clock.nowMs()), false)
  await t.rejects(set.find(issuer.key.kid, 'ES256'), UNAVAILABLE)
})

t.test('K4: an unknown kid fetches the set once for many callers, and a new key opens at once', async t => {
  const { issuer, set } = await fixture(t)
  await set.ready()
  const { kid } = issuer.rotate({ keepOld: true })
  const before = issuer.fetches
  const found = await Promise.all(Array.from({ length: 50 }, () => set.find(kid, 'ES256')))
  t.ok(found.every(keys => keys.length === 1))
  t.equal(issuer.fetches, before + 1)
})

t.test('K4, P0-8: fifty different unknown kids, with the source failing too, cost two fetches', async t => {
  for (const failure of [null, 'status'] as const) {
    const { issuer, set } = await fixture(t)
    await set.ready()
    issuer.fail(failure)
    const before = issuer.fetches
    for (let i = 0; i < 50; i++) await t.rejects(set.find(`kid-${i}`, 'ES256'), UNKNOWN)
    t.ok(issuer.fetches - before <= 3, `${issuer.fetches - before} fetches`)
    set.close()
  }
})

t.test(
  'K4: the budget comes back with time, and a kid that was missing is not asked for again within a minute',
  async t => {
    const { issuer, set, clock } = await fixture(t)
    await set.ready()
    await t.rejects(set.find('x', 'ES256'), UNKNOWN)
    const before = issuer.fetches
    clock.advance(30_000)
    await t.rejects(set.find('x', 'ES256'), UNKNOWN)
    t.equal(issuer.fetches, before)
    await t.rejects(set.find('y', 'ES256'), UNKNOWN)
    t.equal(issuer.fetches, before + 1)
  }
)

t.test('K4: an unknown kid while the set is stale is not blamed on the token', async t => {
  const { issuer, set, clock } = await fixture(t, { refreshEveryMs: 60_000 })
  await set.ready()
  issuer.fail('status')
  clock.advance(100_000)
  await t.rejects(set.find('new', 'ES256'), UNAVAILABLE)
})

t.test('K4: nobody waits longer than two seconds, also when the fetch that is under way hangs', async t => {
  const { issuer, set } = await fixture(t)
  await set.ready()
  issuer.fail('hang')
  const beganMs = performance.now()
  const first = t.rejects(set.find('x', 'ES256'), UNKNOWN)
  await issuer.waitForFetches(2)
  await t.rejects(set.find('y', 'ES256'), UNKNOWN)
  await first
  t.ok(performance.now() - beganMs < 2_900, `${performance.now() - beganMs} ms`)
})

t.test('K4: a kid is remembered as missing only after the set was read for it', async t => {
  const { issuer, set, clock } = await fixture(t, { refreshEveryMs: 3_600_000 })
  await set.ready()
  const { kid } = issuer.rotate({ keepOld: true })
  issuer.fail('status')
  await t.rejects(set.find(kid, 'ES256'), UNKNOWN)
  issuer.fail(null)
  clock.advance(10_000)
  t.equal((await set.find(kid, 'ES256')).length, 1)
})

t.test('K2: a set that has not changed counts as fresh', async t => {
  const { issuer, set, clock } = await fixture(t, { refreshEveryMs: 60_000 })
  await set.ready()
  clock.advance(80_000)
  t.equal(set.status().ageMs, 80_000)
  const { version } = set
  await t.rejects(set.find('new', 'ES256'), UNKNOWN)
  t.equal(issuer.fetches, 2)
  t.equal(set.status().ageMs, 0)
  t.equal(set.version, version)
})

t.test('K1: an interval longer than timers can be does not become a storm of fetches', async t => {
  const { issuer, set } = await fixture(t, { refreshEveryMs: 60 * 86_400_000 })
  await set.ready()
  await new Promise(resolve => setTimeout(resolve, 50))
  t.equal(issuer.fetches, 1)
})

t.test('K2: a source that fails is asked once more at once, then ever more rarely', async t => {
  const waitsMs: unknown[] = []
  const issuer = await startIssuer(t)
  issuer.fail('status')
  const options = issuerOptions({ issuer: issuer.url, keys: { kind: 'jwks_url', url: issuer.jwksUrl } })
  const log = {
    warn(facts: object) {
      if ('retryInMs' in facts) waitsMs.push(facts.retryInMs)
    },
    info() {}
  }
  const set = createKeySets([options], { nowMs: Date.now, random: () => 0, log }).get(issuer.url)
  t.teardown(() => set?.close())
  set?.start()
  await issuer.waitForFetches(3)
  while (waitsMs.length < 3) await new Promise(resolve => setImmediate(resolve))
  t.strictSame(waitsMs.slice(0, 3), [0, 1_000, 2_000])
})

t.test('a key set that is closed lets go of a fetch that hangs, and says and asks nothing more', async t => {
  const faults: object[] = []
  const [asked, gone] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const server = createServer((_request, response) => {
    response.on('close', gone.resolve)
    asked.resolve()
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`
  const options = issuerOptions({ issuer: 'x', keys: { kind: 'jwks_url', url } })
  const log = { warn: (facts: object) => faults.push(facts), info() {} }
  const set = createKeySets([options], { nowMs: Date.now, random: () => 0, log }).get('x')
  set?.start()
  await asked.promise
  set?.close()
  await gone.promise
  await new Promise(resolve => setImmediate(resolve))
  t.strictSame(faults, [])
})

t.test('C8: a key under a new name or for another algorithm is a change, another order is none', async t => {
  const [a, b] = [makeKey(), makeKey('RS256')]
  const { issuer, set } = await fixture(t, {}, issuer => issuer.serve({ keys: [a.publicJwk, b.publicJwk] }))
  await set.ready()
  const again = async (keys: { kid?: unknown }[]) => {
    issuer.serve({ keys })
    const kids = keys.map(key => key.kid).join()
    while (set.status().kids.join() !== kids) {
      set.start()
      await new Promise(resolve => setImmediate(resolve))
    }
    return set.version
  }
  t.equal(await again([b.publicJwk, a.publicJwk]), 1)
  t.equal(await again([b.publicJwk, { ...a.publicJwk, kid: 'renamed' }]), 2)
})

t.test('K6, C5: a key that left the set is no longer active, a new one is at once', async t => {
  const { issuer, set, clock } = await fixture(t, { refreshEveryMs: 20 })
  await set.ready()
  const [old] = await set.find(issuer.key.kid, 'ES256')
  const { kid } = issuer.rotate()
  const { version } = set
  const [fresh] = await set.find(kid, 'ES256')
  t.equal(set.isActive(old?.thumbprint ?? '', clock.nowMs()), false)
  t.equal(set.isActive(fresh?.thumbprint ?? '', clock.nowMs()), true)
  t.ok(set.version > version)
})

t.test('V6: a token without kid is taken only where one key alone could have signed it', async t => {
  const { issuer, set } = await fixture(t)
  await set.ready()
  t.equal((await set.find(null, 'ES256')).length, 1)
  await t.rejects(set.find(null, 'RS256'), UNKNOWN)
  issuer.rotate({ keepOld: true })
  await set.find(issuer.key.kid, 'ES256')
  await t.rejects(set.find(null, 'ES256'), UNKNOWN)
})

t.test('V5: two keys of one name are told apart by their algorithm', async t => {
  const { set } = await fixture(t, {}, issuer => {
    issuer.serve({ keys: ['ES256', 'EdDSA'].map(alg => ({ ...makeKey(alg).publicJwk, kid: 'same' })) })
  })
  await set.ready()
  t.equal((await set.find('same', 'ES256')).length, 1)
  t.equal((await set.find('same', 'EdDSA')).length, 1)
})

t.test(
  'K7: an unknown issuer has no set, so it can cause no fetch; one dead source takes nothing from another',
  async t => {
    const good = await startIssuer(t)
    const dead = await startIssuer(t)
    dead.fail('hang')
    const sets = createKeySets(
      [good, dead].map(issuer =>
        issuerOptions({ issuer: issuer.url, keys: { kind: 'jwks_url', url: issuer.jwksUrl } })
      ),
      { nowMs: Date.now, random: Math.random, log: { warn() {}, info() {} } }
    )
    t.teardown(() => {
      for (const set of sets.values()) set.close()
    })
    for (const set of sets.values()) set.start()
    await sets.get(good.url)?.ready()
    t.equal((await sets.get(good.url)?.find(good.key.kid, 'ES256'))?.length, 1)
    t.equal(sets.get('https://unknown'), undefined)
  }
)

t.test('K7: at most four sources are asked at once, and a file waits for none of them', async t => {
  const issuers = await Promise.all(Array.from({ length: 6 }, () => startIssuer(t)))
  for (const issuer of issuers) issuer.fail('hang')
  const key = makeKey()
  const path = `${t.testdir({ 'jwks.json': JSON.stringify({ keys: [key.publicJwk] }) })}/jwks.json`
  const sets = createKeySets(
    [
      ...issuers.map(issuer => issuerOptions({ issuer: issuer.url, keys: { kind: 'jwks_url', url: issuer.jwksUrl } })),
      issuerOptions({ issuer: 'https://file', keys: { kind: 'jwks_file', path } })
    ],
    { nowMs: Date.now, random: Math.random, log: { warn() {}, info() {} } }
  )
  for (const set of sets.values()) set.start()
  await sets.get('https://file')?.ready()
  await Promise.all(issuers.slice(0, 4).map(issuer => issuer.waitForFetches(1)))
  t.strictSame(
    issuers.map(issuer => issuer.fetches),
    [1, 1, 1, 1, 0, 0]
  )
  // The place of one that ended goes to the next.
  sets.get(issuers[0]?.url ?? '')?.close()
  await issuers[4]?.waitForFetches(1)
  for (const set of sets.values()) set.close()
})

t.test('K9: keys from a file follow the file; a broken file changes nothing', async t => {
  const [first, second] = [makeKey(), makeKey()]
  const path = `${t.testdir({ 'jwks.json': JSON.stringify({ keys: [first.publicJwk] }) })}/jwks.json`
  const options = issuerOptions({ issuer: 'https://idp', keys: { kind: 'jwks_file', path }, refreshEveryMs: 20 })
  const set = createKeySets([options], { nowMs: Date.now, random: () => 0.5, log: { warn() {}, info() {} } }).get(
    'https://idp'
  )
  if (set === undefined) throw new Error('no set')
  t.teardown(() => set.close())
  set.start()
  await set.ready()
  writeFileSync(path, '{"keys": [')
  while (set.status().lastError === null) await new Promise(resolve => setImmediate(resolve))
  t.equal((await set.find(first.kid, 'ES256')).length, 1)
  writeFileSync(path, JSON.stringify({ keys: [second.publicJwk] }))
  while (!set.status().kids.includes(second.kid)) await new Promise(resolve => setImmediate(resolve))
  await t.rejects(set.find(first.kid, 'ES256'), UNKNOWN)
})

t.test('V29: a shared secret is there from the start and never old', async t => {
  const options = issuerOptions({ issuer: 'dev', keys: { kind: 'hs256_secret', secret: Buffer.alloc(32, 7) } })
  const clock = createClock(START)
  const set = createKeySets([options], { nowMs: clock.nowMs, random: Math.random, log: { warn() {}, info() {} } }).get(
    'dev'
  )
  set?.start()
  await set?.ready()
  clock.advance(10 ** 10)
  t.equal((await set?.find(null, 'HS256'))?.length, 1)
  t.equal((await set?.find('any name', 'HS256'))?.length, 1)
  await t.rejects(async () => await set?.find(null, 'RS256'), UNKNOWN)
})
