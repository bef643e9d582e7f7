import { createHmac, createPublicKey } from 'node:crypto'
import { CompactSign, SignJWT } from 'jose'
import t, { type Test } from 'tap'
import { createKeySets } from '../../src/authenticate/keys.ts'
import type { IssuerOptions } from '../../src/authenticate/options.ts'
import { RevocationIndex } from '../../src/authenticate/revocation-index.ts'
import { createVerifier } from '../../src/authenticate/verifier.ts'
import type { Identity } from '../../src/exchange.ts'
import { createClock } from '../helpers/clock.ts'
import { type Issuer, makeKey, signWith, startIssuer } from '../helpers/issuer.ts'
import { issuerOptions } from '../helpers/issuer-options.ts'
import { revocation } from '../helpers/revocations.ts'

const isOverloaded = () => false

type Verify = (token: string) => Identity | Promise<Identity>

async function fixture(t: Test, more: Partial<IssuerOptions> = {}, alg = 'ES256', maxTtlMs = 300_000) {
  const issuer = await startIssuer(t, { alg })
  const clock = createClock(Date.now())
  const options = issuerOptions({ issuer: issuer.url, keys: { kind: 'jwks_url', url: issuer.jwksUrl }, ...more })
  const keySets = createKeySets([options], { nowMs: clock.nowMs, random: () => 0.5, log: { warn() {}, info() {} } })
  const cache = { maxEntries: 1000, maxTtlMs }
  const { verify, hasVerified, recheck, stats } = createVerifier(
    { issuers: [options], cache },
    { keySets, nowMs: clock.nowMs, isOverloaded }
  )
  const set = keySets.get(issuer.url)
  t.teardown(() => set?.close())
  set?.start()
  await set?.ready()
  return { issuer, clock, verify, hasVerified, recheck, stats, keySets, options }
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
      { keySets, nowMs: Date.now, isOverloaded }
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

t.test('V16: a key that the token brings along opens nothing, and nobody goes to fetch one', async t => {
  const { issuer, verify } = await fixture(t)
  const evil = await startIssuer(t)
  for (const more of [{ jwk: evil.key.publicJwk }, { jku: evil.jwksUrl }, { x5u: evil.jwksUrl }]) {
    const token = await signWith(evil.key, { iss: issuer.url }, { kid: issuer.key.kid, ...more })
    t.equal(await outcome(verify, token), 'bad_signature', Object.keys(more).join())
  }
  t.equal(evil.fetches, 0)
})

t.test('V2, V24: what has no shape of a token is refused at once, before anything is read or remembered', async t => {
  const { issuer, verify, stats } = await fixture(t)
  const token = await issuer.sign()
  for (const [odd, reason] of [
    [`${token}\n`, 'malformed'],
    [`${token}=`, 'malformed'],
    [`${token}.x`, 'malformed'],
    ['x'.repeat(8193), 'too_long']
  ] as const) {
    for (let again = 0; again < 2; again++) {
      t.throws(() => verify(odd), { code: 'TOLLGATE_AUTHENTICATE_INVALID' })
      t.equal(await outcome(verify, odd), reason)
    }
  }
  t.equal(stats.negativeHits, 0)
})

t.test(
  'P0-9: one token has one spelling: of the sixteen last letters that decode alike, the canonical one opens',
  async t => {
    const { issuer, verify } = await fixture(t, {}, 'ES256')
    const token = await issuer.sign()
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    // 64 bytes end in a letter of which two bits count.
    const group = alphabet.indexOf(token.at(-1) ?? '') & ~15
    const outcomes = await Promise.all(
      [...alphabet.slice(group, group + 16)].map(letter => outcome(verify, token.slice(0, -1) + letter))
    )
    t.equal(outcomes.filter(found => found === 'u-1').length, 1)
    t.equal(outcomes.filter(found => found === 'malformed').length, 15)
  }
)

t.test('V18, P0-9: claims that another reader could read otherwise are refused, though they are signed', async t => {
  const { issuer, verify } = await fixture(t)
  const nowSec = Math.floor(Date.now() / 1000)
  const rest = `"iss":"${issuer.url}","aud":"inference","sub":"u-1","iat":${nowSec}`
  for (const [text, reason] of [
    [`{${rest},"exp":${nowSec + 60}}`, 'u-1'],
    [`{${rest},"exp":1e400}`, 'malformed'],
    [`\ufeff{${rest},"exp":${nowSec + 60}}`, 'malformed'],
    [`{${rest},"exp":${nowSec + 60},"sub":"admin"}`, 'duplicate_member'],
    [`[{${rest},"exp":${nowSec + 60}}]`, 'malformed'],
    [`{${rest}}`, 'claims']
  ] as const) {
    const token = await new CompactSign(Buffer.from(text))
      .setProtectedHeader({ alg: 'ES256', kid: issuer.key.kid })
      .sign(issuer.key.privateKey)
    t.equal(await outcome(verify, token), reason)
  }
})

t.test('forged tokens of one address, however many, hold up no honest caller of another', async t => {
  const { issuer, verify } = await fixture(t)
  const tokens = await Promise.all(Array.from({ length: 20 }, (_, i) => issuer.sign({ sub: `u-${i}` })))
  const head = tokens[0]?.slice(0, tokens[0].lastIndexOf('.') + 1)
  const order: string[] = []
  const flood = Array.from({ length: 2_000 }, async (_, i) => {
    const forged = `${head}${Buffer.from(`${i}`.padEnd(64, '.')).toString('base64url')}`
    const found = await outcome(token => verify(token, 'flood'), forged)
    // What is turned away costs nothing.
    if (found === 'bad_signature') order.push(found)
  })
  const honest = tokens.map(async (token, i) => {
    order.push(await outcome(one => verify(one, `honest-${i}`), token))
  })
  await Promise.all([...flood, ...honest])
  const last = order.findLastIndex(found => found !== 'bad_signature')
  t.equal(order.filter(found => found.startsWith('u-')).length, 20)
  t.ok(last < 200, `the last of them after ${last} of ${order.length}`)
})

t.test('V23: when too many tokens wait for their turn, the next is turned away with 503, not 401', async t => {
  const { issuer, verify } = await fixture(t)
  const forged = await issuer.sign()
  const head = forged.slice(0, forged.lastIndexOf('.') + 1)
  const outcomes = await Promise.all(
    Array.from({ length: 1_300 }, (_, i) =>
      outcome(verify, head + Buffer.from(`${i}`.padEnd(64, '.')).toString('base64url'))
    )
  )
  t.equal(outcomes.filter(found => found === 'bad_signature').length, 64 + 1_024)
  t.equal(outcomes.filter(found => found === 'TOLLGATE_AUTHENTICATE_OVERLOADED').length, 1_300 - 64 - 1_024)
  t.equal(await outcome(verify, forged), 'u-1', 'and afterwards it goes on')
})

t.test(
  'while the gate has too much to do, a remembered token is good and a refused one is refused; no other is verified',
  async t => {
    const issuer = await startIssuer(t)
    const options = issuerOptions({ issuer: issuer.url, keys: { kind: 'jwks_url', url: issuer.jwksUrl } })
    const keySets = createKeySets([options], { nowMs: Date.now, random: Math.random, log: { warn() {}, info() {} } })
    t.teardown(() => keySets.get(issuer.url)?.close())
    keySets.get(issuer.url)?.start()
    const now = { isOverloaded: false }
    const { verify } = createVerifier(
      { issuers: [options], cache: { maxEntries: 10, maxTtlMs: 60_000 } },
      { keySets, nowMs: Date.now, isOverloaded: () => now.isOverloaded }
    )
    await keySets.get(issuer.url)?.ready()
    const [known, other] = [await issuer.sign(), await issuer.sign({ sub: 'u-2' })]
    const forged = `${known.slice(0, known.lastIndexOf('.'))}.${'A'.repeat(86)}`
    t.equal(await outcome(verify, known), 'u-1')
    t.equal(await outcome(verify, forged), 'bad_signature')
    now.isOverloaded = true
    t.equal(await outcome(verify, known), 'u-1')
    t.equal(await outcome(verify, forged), 'bad_signature')
    t.equal(await outcome(verify, other), 'TOLLGATE_AUTHENTICATE_OVERLOADED')
    now.isOverloaded = false
    t.equal(await outcome(verify, other), 'u-2', 'and nothing bad of it was remembered')
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
    { keySets, nowMs: Date.now, isOverloaded }
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
  'C1, C2, P0-12: a token is verified once and remembered by its whole text; another signature is another token',
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

t.test(
  'a principal of a session that goes on is good until its token expires or its key goes, remembered or not',
  async t => {
    const { issuer, verify, recheck, clock, keySets } = await fixture(t, {}, 'ES256', 1)
    const nowSec = Math.floor(clock.nowMs() / 1000)
    const first = await verify(await issuer.sign({ exp: nowSec + 60 }))
    const second = await verify(await issuer.sign({ exp: nowSec + 600 }))
    clock.advance(59_000)
    t.doesNotThrow(() => recheck(first))
    clock.advance(1_001)
    t.throws(() => recheck(first), { code: 'TOLLGATE_AUTHENTICATE_ENDED' })
    t.doesNotThrow(() => recheck(second))
    issuer.rotate()
    const { kid, alg } = issuer.key
    await keySets.get(issuer.url)?.find(kid, alg)
    t.throws(() => recheck(second), { code: 'TOLLGATE_AUTHENTICATE_ENDED' })
    t.throws(() => recheck({ ...first }), 'nobody vouched for a copy')
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
  'C6: a token that is revoked while it is verified is refused and not remembered, however the two meet',
  async t => {
    const { issuer, clock, keySets, options } = await fixture(t)
    const all = revocation({ iss: issuer.url, value: 'u-1', beforeMs: null })
    for (let turns = 0; turns < 12; turns++) {
      let revocations = new RevocationIndex([])
      const deps = { keySets, nowMs: clock.nowMs, isOverloaded, revokedBy: (who: Identity) => revocations.find(who) }
      const verifier = createVerifier({ issuers: [options], cache: { maxEntries: 10, maxTtlMs: 300_000 } }, deps)
      const token = await issuer.sign({ jti: `j-${turns}` })
      const running = outcome(verifier.verify, token)
      for (let i = 0; i < turns; i++) await new Promise(resolve => setImmediate(resolve))
      revocations = new RevocationIndex([all])
      const first = await running
      t.equal(await outcome(verifier.verify, token), 'revoked', `${turns} turns: ${first}`)
      if (first === 'revoked') t.equal(verifier.remembered, 0)
      revocations = new RevocationIndex([])
      t.equal(await outcome(verifier.verify, token), 'u-1', 'and good again when it is lifted')
    }
  }
)

t.test('C5: a key that its issuer takes away at once kills remembered tokens with one refresh', async t => {
  const { issuer, verify, keySets } = await fixture(t, { refreshEveryMs: 86_400_000 })
  const tokens = await Promise.all([1, 2, 3].map(n => issuer.sign({ jti: `j-${n}` })))
  for (const token of tokens) await verify(token)
  const { key, fetches } = issuer
  issuer.rotate()
  const set = keySets.get(issuer.url)
  set?.start()
  while (set?.status().kids.includes(key.kid)) await new Promise(resolve => setImmediate(resolve))
  t.equal(issuer.fetches, fetches + 1)
  for (const token of tokens) t.equal(await outcome(verify, token), 'unknown_kid')
})

t.test('a session whose token is revoked is refused at its next look', async t => {
  const { issuer, clock, keySets, options } = await fixture(t)
  let id: string | null = null
  const { verify, recheck } = createVerifier(
    { issuers: [options], cache: { maxEntries: 10, maxTtlMs: 300_000 } },
    { keySets, nowMs: clock.nowMs, isOverloaded, revokedBy: () => id }
  )
  const identity = await verify(await issuer.sign())
  t.doesNotThrow(() => recheck(identity))
  id = 'r-1'
  t.throws(() => recheck(identity), { code: 'TOLLGATE_AUTHENTICATE_REVOKED' })
})

t.test('C4: a clock that goes back, at once or little by little, empties the memory', async t => {
  for (const stepsMs of [[-31_000], [-20_000, -20_000]]) {
    const { issuer, clock, verify, stats } = await fixture(t)
    const token = await issuer.sign({ iat: Math.floor(clock.nowMs() / 1000) - 100 })
    await verify(token)
    for (const ms of stepsMs) {
      clock.advance(ms)
      await outcome(verify, token)
    }
    const { misses } = stats
    t.equal(misses, 2, `steps of ${stepsMs.join(', ')} ms`)
  }
})

t.test('C8: a refusal that time alone, or the next key, can cure is not remembered', async t => {
  const { issuer, clock, verify, stats } = await fixture(t)
  const nowSec = Math.floor(clock.nowMs() / 1000)
  const early = [
    [{ nbf: nowSec + 40 }, 'not_yet_valid'],
    [{ iat: nowSec + 40, exp: nowSec + 900 }, 'issued_in_future'],
    [{ iat: nowSec + 29, exp: nowSec + 3600 + 40 }, 'lifetime']
  ] as const
  const tokens = await Promise.all(early.map(([claims]) => issuer.sign(claims)))
  for (const [i, [, reason]] of early.entries()) t.equal(await outcome(verify, tokens[i] ?? ''), reason)
  clock.advance(20_000)
  for (const token of tokens) t.equal(await outcome(verify, token), 'u-1')
  const next = makeKey()
  const token = await signWith(next, { iss: issuer.url })
  t.equal(await outcome(verify, token), 'unknown_kid')
  issuer.serve({ keys: [issuer.key.publicJwk, next.publicJwk] })
  await outcome(verify, await signWith(makeKey(), { iss: issuer.url }))
  t.equal(await outcome(verify, token), 'u-1')
  t.equal(stats.negativeHits, 0)
})

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
    { keySets, nowMs: Date.now, isOverloaded }
  )
  t.equal(await outcome(verify, await issuer.sign()), 'keys_unavailable')
})

t.test(
  'how long a token took is told: once when it was verified, good or bad, and whenever it is remembered',
  async t => {
    const { issuer, clock, keySets, options } = await fixture(t)
    const told: string[] = []
    const { verify } = createVerifier(
      { issuers: [options], cache: { maxEntries: 10, maxTtlMs: 60_000 } },
      { keySets, nowMs: clock.nowMs, isOverloaded, onVerified: (path, tookMs) => told.push(`${path} ${tookMs >= 0}`) }
    )
    const token = await issuer.sign()
    await Promise.all([verify(token), verify(token)])
    t.strictSame(told, ['verify true'], 'two that come at once are one verification')
    await verify(token)
    t.strictSame(told, ['verify true', 'cache true'])
    const forged = `${token.slice(0, -8)}AAAAAAAA`
    t.equal(await outcome(verify, forged), 'bad_signature')
    t.equal(await outcome(verify, forged), 'bad_signature')
    t.strictSame(told, ['verify true', 'cache true', 'verify true'], 'what is remembered as bad takes no time')
  }
)

t.test(
  'B6: a token that was verified is known until it or its key is gone, and nothing is verified to know',
  async t => {
    const { issuer, clock, verify, hasVerified } = await fixture(t)
    const nowSec = Math.floor(clock.nowMs() / 1000)
    const token = await issuer.sign({ iat: nowSec, exp: nowSec + 1_800 })
    t.equal(hasVerified(token), false)
    await verify(token)
    t.equal(hasVerified(token), true)
    t.equal(hasVerified(`${token}x`), false)
    t.equal(hasVerified('x'.repeat(10_000)), false)
    clock.advance(300_000)
    t.ok(verify(token) instanceof Promise, 'it has to be verified again')
    t.equal(hasVerified(token), true)
    await verify(token)
    clock.advance(1_500_000)
    t.equal(hasVerified(token), false, 'it has expired')
  }
)

t.test('B6: a token is known no more when its key has gone, or the clock was set back', async t => {
  const { issuer, clock, verify, hasVerified, keySets } = await fixture(t)
  const token = await issuer.sign()
  await verify(token)
  clock.advance(-3_600_000)
  t.equal(hasVerified(token), false)
  clock.advance(3_600_000)
  await verify(token)
  issuer.serve({ keys: [makeKey().publicJwk] })
  const set = keySets.get(issuer.url)
  while (set?.status().loads?.done !== 2) {
    set?.start()
    await new Promise(resolve => setImmediate(resolve))
  }
  t.equal(hasVerified(token), false)
})
