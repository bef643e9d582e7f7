import t from 'tap'
import type { KeySet } from '../../src/authenticate/keys.ts'
import { TokenCache } from '../../src/authenticate/token-cache.ts'
import type { Identity } from '../../src/exchange.ts'

const NOW = 1_800_000_000_000
const SEC = NOW / 1000
const identity = (of: Partial<Identity> = {}): Identity => ({
  iss: 'i',
  sub: 's',
  team: null,
  scopes: new Set(),
  role: null,
  iatSec: SEC - 60,
  expSec: SEC + 600,
  jti: null,
  kid: null,
  alg: 'ES256',
  fingerprint: 'f',
  ...of
})

function fixture(more: { maxEntries?: number; maxTtlMs?: number } = {}) {
  const active = new Set(['tp'])
  const keySet = { version: 1, isActive: (print: string) => active.has(print) } as unknown as KeySet & {
    version: number
  }
  const cache = new TokenCache({ maxEntries: 100, maxTtlMs: 300_000, ...more })
  const put = (
    key: string,
    of: Partial<Identity> = {},
    nowMs = NOW,
    generation = cache.generation,
    nbfMs: number | null = null
  ) =>
    cache.put(
      key,
      { identity: identity(of), nbfMs, keySet, thumbprint: 'tp', maxLifetimeMs: 3_600_000, clockSkewMs: 30_000 },
      nowMs,
      generation
    )
  return { cache, put, active, keySet }
}

t.test('C4: an entry lives until the token expires, and no longer than max_ttl', async t => {
  const { cache, put } = fixture()
  put('short', { expSec: SEC + 10 })
  put('long', { expSec: SEC + 600 })
  t.equal(cache.get('short', NOW + 9_999)?.sub, 's')
  t.equal(cache.get('short', NOW + 10_000), null)
  t.equal(cache.get('long', NOW + 299_999)?.sub, 's')
  t.equal(cache.get('long', NOW + 300_000), null)
})

t.test('C4, P0-10: what has no time left, or no finite one, is not remembered at all', async t => {
  const { cache, put } = fixture()
  put('expired', { expSec: SEC })
  put('infinite', { expSec: Number.POSITIVE_INFINITY, iatSec: Number.POSITIVE_INFINITY })
  put('nan', { expSec: Number.NaN })
  t.equal(cache.get('expired', NOW), null)
  t.equal(cache.get('nan', NOW), null)
  t.equal(cache.stats.refusedInserts >= 2, true)
  t.equal(cache.get('infinite', NOW + 300_001), null)
})

t.test('C4: with a clock that was set back, nothing is valid before its time', async t => {
  const { cache, put } = fixture()
  put('k', {}, NOW, 0, NOW)
  t.equal(cache.get('k', NOW - 29_000)?.sub, 's')
  t.equal(cache.get('k', NOW - 31_000), null)
})

t.test('C5: an entry dies with the key that vouched for it', async t => {
  const { cache, put, active } = fixture()
  put('k')
  active.delete('tp')
  t.equal(cache.get('k', NOW), null)
  t.equal(cache.stats.rotationDrops, 1)
  active.add('tp')
  t.equal(cache.get('k', NOW), null, 'and does not come back')
})

t.test('C6: what was being verified when the cache was flushed does not come in afterwards', async t => {
  const { cache, put } = fixture()
  const { generation } = cache
  cache.flush()
  put('k', {}, NOW, generation)
  cache.putRefusal('n', { reason: 'bad_signature', expMs: null, keys: null }, NOW, generation)
  t.equal(cache.get('k', NOW), null)
  t.equal(cache.getRefusal('n', NOW), null)
})

t.test('C8: refusals are remembered apart and briefly, and only for the keys they were found with', async t => {
  const { cache, put, keySet } = fixture({ maxEntries: 2 })
  put('good')
  const keys = { keySet, version: keySet.version }
  for (let i = 0; i < 20_000; i++) cache.putRefusal(`bad-${i}`, { reason: 'bad_signature', expMs: null, keys }, NOW, 0)
  t.equal(cache.get('good', NOW)?.sub, 's', 'garbage pushes out no good token')
  t.equal(cache.getRefusal('bad-19999', NOW + 44_999), 'bad_signature')
  t.equal(cache.getRefusal('bad-19999', NOW + 45_000), null)
  t.equal(cache.getRefusal('bad-0', NOW), null, 'bounded')
  keySet.version++
  t.equal(cache.getRefusal('bad-19998', NOW), null)
})

t.test('C8: a refusal that was found with keys that have changed meanwhile is of no use', async t => {
  const { cache, keySet } = fixture()
  const keys = { keySet, version: keySet.version }
  keySet.version++
  cache.putRefusal('late', { reason: 'bad_signature', expMs: null, keys }, NOW, 0)
  t.equal(cache.getRefusal('late', NOW), null)
})

t.test('C8: a refusal ends when the token does, for it would have another reason then', async t => {
  const { cache } = fixture()
  cache.putRefusal('soon', { reason: 'bad_signature', expMs: NOW + 5_000, keys: null }, NOW, 0)
  t.equal(cache.getRefusal('soon', NOW + 4_999), 'bad_signature')
  t.equal(cache.getRefusal('soon', NOW + 5_000), null)
  cache.putRefusal('past', { reason: 'expired', expMs: NOW - 5_000, keys: null }, NOW, 0)
  t.equal(cache.getRefusal('past', NOW + 44_999), 'expired')
})

t.test('C8: with a clock that was set back, a refused token is judged anew', async t => {
  const { cache } = fixture()
  cache.putRefusal('k', { reason: 'expired', expMs: NOW, keys: null }, NOW, 0)
  t.equal(cache.getRefusal('k', NOW - 1), null)
})

t.test('C3: the number of entries is bounded, and evictions are counted', async t => {
  const { cache, put } = fixture({ maxEntries: 3 })
  for (let i = 0; i < 10; i++) put(`k${i}`)
  t.equal(cache.stats.evictions, 7)
  t.equal(cache.get('k0', NOW), null)
  t.equal(cache.get('k9', NOW)?.sub, 's')
})

t.test('C9: hits and misses are counted', async t => {
  const { cache, put } = fixture()
  put('k')
  cache.get('k', NOW)
  cache.get('x', NOW)
  t.match(cache.stats, { hits: 1, misses: 1 })
})
