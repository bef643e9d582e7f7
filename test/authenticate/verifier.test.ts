import { createHmac, createPublicKey } from 'node:crypto'
import fc from 'fast-check'
import { SignJWT } from 'jose'
import t, { type Test } from 'tap'
import { createKeySets } from '../../src/authenticate/keys.ts'
import type { IssuerOptions } from '../../src/authenticate/options.ts'
import { createVerifier } from '../../src/authenticate/verifier.ts'
import type { Identity } from '../../src/exchange.ts'
import { createClock } from '../helpers/clock.ts'
import { type Issuer, makeKey, signWith, startIssuer } from '../helpers/issuer.ts'
import { issuerOptions } from '../helpers/issuer-options.ts'

type Verify = (token: string) => Identity | Promise<Identity>

async function fixture(t: Test, more: Partial<IssuerOptions> = {}, alg = 'ES256', maxTtlMs = 300_000) {
  const issuer = await startIssuer(t, { alg })
  const clock = createClock(Date.now())
  const options = issuerOptions({ issuer: issuer.url, keys: { kind: 'jwks_url', url: issuer.jwksUrl }, ...more })
  const keySets = createKeySets([options], { nowMs: clock.nowMs, random: () => 0.5, log: { warn() {}, info() {} } })
  const cache = { maxEntries: 1000, maxTtlMs }
  const { verify, stats } = createVerifier({ issuers: [options], cache }, { keySets, nowMs: clock.nowMs })
  const set = keySets.get(issuer.url)
  t.teardown(() => set?.close())
  set?.start()
  await set?.ready()
  return { issuer, clock, verify, stats, keySets, options }
}

async function outcome(verify: Verify, token: string): Promise<string> {
  try {
    return (await verify(token)).sub
  } catch (err) {
    const { code, detail } = err as { code: string; detail: { reason?: string } }
    return detail.reason ?? code
  }
}

for (const alg of ['ES256', 'EdDSA', 'RS256', 'PS256']) {
  t.test(`V3, V23: a token signed with ${alg} is verified, and its principal says whose it is`, async t => {
    const { issuer, verify } = await fixture(t, {}, alg)
    const identity = await verify(await issuer.sign({ jti: 'j-1', scope: 'infer:text task:x', role: 'dev' }))
    t.match(identity, {
      iss: issuer.url,
      sub: 'u-1',
      team: 'team-a',
      role: 'dev',
      alg,
      kid: issuer.key.kid,
      jti: 'j-1'
    })
    t.strictSame([...identity.scopes], ['infer:text', 'task:x'])
    t.match(identity.fingerprint, /^[0-9a-f]{16}$/)
    t.ok(Object.isFrozen(identity), 'V27')
  })
}

t.test('V3: none in any case, and algorithms that the issuer does not list, are refused', async t => {
  const { issuer, verify } = await fixture(t, { algorithms: ['ES256'] })
  const claims = (await issuer.sign()).split('.')[1]
  for (const alg of ['none', 'None', 'nOnE', 'HS256', 'RS256', 'es256', '']) {
    const header = Buffer.from(JSON.stringify({ alg, kid: issuer.key.kid })).toString('base64url')
    t.equal(await outcome(verify, `${header}.${claims}.AAAA`), 'alg_rejected', alg)
  }
})

t.test('V3, V4: HS256 with the public key as its secret opens nothing, also when the issuer uses that key', async t => {
  const { issuer, verify } = await fixture(t, {}, 'RS256')
  const pem = createPublicKey(issuer.key.privateKey).export({ type: 'spki', format: 'pem' })
  for (const secret of [pem, JSON.stringify(issuer.key.publicJwk)]) {
    const [, claims] = (await issuer.sign()).split('.')
    const header = Buffer.from(JSON.stringify({ alg: 'HS256', typ: 'JWT', kid: issuer.key.kid })).toString('base64url')
    const signature = createHmac('sha256', secret).update(`${header}.${claims}`).digest('base64url')
    t.equal(await outcome(verify, `${header}.${claims}.${signature}`), 'alg_rejected')
  }
})

t.test('V4: a token cannot choose how its key is used', async t => {
  const { issuer, verify } = await fixture(t, {}, 'RS256')
  const nowSec = Math.floor(Date.now() / 1000)
  const claims = { iss: issuer.url, aud: 'inference', sub: 'u', iat: nowSec, exp: nowSec + 60 }
  // The key says RS256; the same key signs PS256 as well as any RSA key does.
  const token = await new SignJWT(claims)
    .setProtectedHeader({ alg: 'PS256', kid: issuer.key.kid })
    .sign(issuer.key.privateKey)
  t.equal(await outcome(verify, token), 'unknown_kid')
})

t.test(
  "V8: the issuer is chosen by its exact name before any key, and one issuer's keys open nothing of another's",
  async t => {
    const a = await startIssuer(t)
    const b = await startIssuer(t)
    const issuers = [a, b].map(issuer =>
      issuerOptions({ issuer: issuer.url, keys: { kind: 'jwks_url', url: issuer.jwksUrl } })
    )
    const keySets = createKeySets(issuers, { nowMs: Date.now, random: Math.random, log: { warn() {}, info() {} } })
    const { verify } = createVerifier(
      { issuers, cache: { maxEntries: 10, maxTtlMs: 1000 } },
      { keySets, nowMs: Date.now }
    )
    for (const set of keySets.values()) {
      t.teardown(() => set.close())
      set.start()
      await set.ready()
    }
    t.equal(await outcome(verify, await a.sign()), 'u-1')
    const fetches = [a.fetches, b.fetches]
    t.equal(await outcome(verify, await signWith(a.key, { iss: b.url }, { kid: b.key.kid })), 'bad_signature')
    for (const iss of [`${a.url}/`, 'https://evil', [a.url], undefined, 1]) {
      t.equal(await outcome(verify, await a.sign({ iss })), 'unknown_issuer', String(iss))
    }
    t.strictSame([a.fetches, b.fetches], fetches, 'K7: and nothing was fetched for it')
  }
)

t.test('V23: a signature of the wrong length or of another token is refused', async t => {
  const { issuer, verify } = await fixture(t)
  const [header, claims, signature = ''] = (await issuer.sign()).split('.')
  const [, others] = (await issuer.sign({ sub: 'admin' })).split('.')
  t.equal(await outcome(verify, `${header}.${others}.${signature}`), 'bad_signature')
  t.equal(await outcome(verify, `${header}.${claims}.${'A'.repeat(5000)}`), 'bad_signature')
  t.equal(await outcome(verify, `${header}.${claims}.AAAA`), 'bad_signature')
})

t.test('V29: with a shared secret, HS256 alone opens, and only with that secret', async t => {
  const secret = Buffer.from('a secret of thirty-two bytes, ok')
  const options = issuerOptions({ issuer: 'dev', keys: { kind: 'hs256_secret', secret }, algorithms: ['HS256'] })
  const keySets = createKeySets([options], { nowMs: Date.now, random: Math.random, log: { warn() {}, info() {} } })
  const { verify } = createVerifier(
    { issuers: [options], cache: { maxEntries: 10, maxTtlMs: 1000 } },
    { keySets, nowMs: Date.now }
  )
  const nowSec = Math.floor(Date.now() / 1000)
  const sign = (key: Uint8Array) =>
    new SignJWT({ iss: 'dev', aud: 'inference', sub: 'u', iat: nowSec, exp: nowSec + 60 })
      .setProtectedHeader({ alg: 'HS256' })
      .sign(key)
  t.equal(await outcome(verify, await sign(secret)), 'u')
  t.equal(await outcome(verify, await sign(Buffer.alloc(32, 9))), 'bad_signature')
})

t.test(
  'C1, C2: a token is verified once and remembered by its whole text; another signature is another token',
  async t => {
    const { issuer, verify, stats } = await fixture(t)
    const token = await issuer.sign()
    t.ok(verify(token) instanceof Promise)
    await verify(token)
    t.notOk(verify(token) instanceof Promise, 'a hit is answered at once')
    t.equal(stats.hits, 1)
    t.equal(await outcome(verify, `${token.slice(0, token.lastIndexOf('.'))}.AAAA`), 'bad_signature')
  }
)

t.test('C7: the same new token in many requests at once is verified once', async t => {
  const { issuer, verify } = await fixture(t)
  const token = await issuer.sign()
  t.equal(new Set(Array.from({ length: 20 }, () => verify(token))).size, 1)
})

t.test('C8: a refusal is remembered, and forgotten when the issuer has a new key', async t => {
  const { issuer, verify, stats } = await fixture(t)
  const next = makeKey()
  const early = await signWith({ ...next, kid: issuer.key.kid }, { iss: issuer.url })
  t.equal(await outcome(verify, early), 'bad_signature')
  t.equal(await outcome(verify, early), 'bad_signature')
  t.equal(stats.negativeHits, 1)
  issuer.serve({ keys: [{ ...next.publicJwk, kid: issuer.key.kid }, makeKey().publicJwk] })
  await outcome(verify, await signWith(makeKey(), { iss: issuer.url }))
  t.equal(await outcome(verify, early), 'u-1')
})

t.test(
  'a token of the right length is judged as it would be without a cache, whatever the clock and the keys did',
  async t => {
    const cached = await fixture(t, { refreshEveryMs: 3_600_000 })
    const nowSec = Math.floor(cached.clock.nowMs() / 1000)
    const { issuer, options, keySets, clock } = cached
    const tokens = await Promise.all(
      [
        {},
        { exp: nowSec + 5 },
        { nbf: nowSec + 40 },
        { iat: nowSec + 20, exp: nowSec + 90 },
        { aud: 'x' },
        { exp: nowSec + 3600 }
      ].map(claims => issuer.sign({ iat: nowSec - 1, ...claims }))
    )
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ token: fc.nat(tokens.length - 1), moveMs: fc.integer({ min: -60_000, max: 120_000 }) }), {
          maxLength: 12
        }),
        async steps => {
          for (const { token, moveMs } of steps) {
            clock.advance(moveMs)
            const text = tokens[token] ?? ''
            // A verifier of its own remembers nothing.
            const fresh = createVerifier(
              { issuers: [options], cache: { maxEntries: 1, maxTtlMs: 1 } },
              { keySets, nowMs: clock.nowMs }
            )
            t.equal(await outcome(cached.verify, text), await outcome(fresh.verify, text))
          }
        }
      ),
      { numRuns: 40 }
    )
  }
)

t.test('C5: rotation takes a remembered token away with its key', async t => {
  const { issuer, verify } = await fixture(t, { refreshEveryMs: 20 })
  const token = await issuer.sign()
  await verify(token)
  issuer.rotate()
  await outcome(verify, await issuer.sign({ sub: 'next' }))
  t.equal(await outcome(verify, token), 'unknown_kid')
})

t.test('V30, V25: keys that are not to be had are not the fault of the token', async t => {
  const issuer: Issuer = await startIssuer(t)
  issuer.fail('reset')
  const options = issuerOptions({ issuer: issuer.url, keys: { kind: 'jwks_url', url: issuer.jwksUrl } })
  const keySets = createKeySets([options], { nowMs: Date.now, random: Math.random, log: { warn() {}, info() {} } })
  t.teardown(() => keySets.get(issuer.url)?.close())
  keySets.get(issuer.url)?.start()
  const { verify } = createVerifier(
    { issuers: [options], cache: { maxEntries: 10, maxTtlMs: 1000 } },
    { keySets, nowMs: Date.now }
  )
  t.equal(await outcome(verify, await issuer.sign()), 'keys_unavailable')
})
