import fc from 'fast-check'
import t from 'tap'
import { createAuthenticator } from '../../src/authenticate/authenticator.ts'
import type { AuthenticateOptions, IssuerOptions } from '../../src/authenticate/options.ts'
import { RevocationIndex } from '../../src/authenticate/revocation-index.ts'
import { createVerifier, type Verifier } from '../../src/authenticate/verifier.ts'
import { createClock } from '../helpers/clock.ts'
import { makeKey, signWith, startIssuer } from '../helpers/issuer.ts'
import { issuerOptions } from '../helpers/issuer-options.ts'
import { revocation } from '../helpers/revocations.ts'

const RUNS = 100

/** The subject and what of it a call is judged by, or the reason of the refusal. */
async function outcome({ verify }: Pick<Verifier, 'verify'>, token: string): Promise<string> {
  try {
    const { sub, team } = await verify(token)
    return `${sub} of ${team}`
  } catch (err) {
    const { code, detail } = err as { code: string; detail: { reason?: string } }
    return detail.reason ?? code
  }
}

t.test(
  'C9: a decision with the cache is the decision without it, whatever clock, keys, revocations, reloads and callers did',
  async t => {
    const issuer = await startIssuer(t)
    const [a, b] = [makeKey(), makeKey()]
    // Two keys of one name: a publisher's mistake, or an attempt.
    const twin = { ...makeKey(), kid: a.kid }
    const clock = createClock(Date.now())
    const startSec = Math.floor(clock.nowMs() / 1000)
    const claims = { iss: issuer.url, iat: startSec - 1 }
    const tokens = await Promise.all([
      signWith(a, claims),
      signWith(b, claims),
      signWith(twin, claims),
      signWith(a, { ...claims, jti: 'j-1', exp: startSec + 5 }),
      signWith(b, { ...claims, nbf: startSec + 40 }),
      signWith(a, { ...claims, iat: startSec + 20, exp: startSec + 90 }),
      signWith(b, { ...claims, iat: startSec - 3000, exp: startSec + 600 }),
      signWith(a, { ...claims, exp: startSec + 3600 + 60 }),
      signWith(a, { ...claims, aud: 'x', other_team: 'team-b' }),
      signWith(b, claims).then(token => `${token.slice(0, token.lastIndexOf('.'))}.AAAA`)
    ])
    const sets = [[a], [b], [twin], [a, b], [a, twin], [a, b, twin]].map(keys =>
      keys.map(key => ({ ...key.publicJwk, kid: key.kid }))
    )
    const cache = { maxEntries: 1000, maxTtlMs: 300_000 }
    const corp = (more: Partial<IssuerOptions> = {}): AuthenticateOptions => ({
      issuers: [
        issuerOptions({
          issuer: issuer.url,
          keys: { kind: 'jwks_url', url: issuer.jwksUrl },
          refreshEveryMs: 86_400_000,
          ...more
        })
      ],
      cache
    })
    const [usual] = corp().issuers
    // What an operator may change while the gate runs; each makes another decision of one of the tokens.
    const files = [
      corp(),
      corp({ audiences: ['x'] }),
      corp({ audiences: ['inference', 'x'] }),
      corp({ maxLifetimeMs: 600_000 }),
      corp({ clockSkewMs: 0 }),
      corp({ algorithms: ['EdDSA'] }),
      corp({ types: ['at+jwt'] }),
      ...(usual === undefined ? [] : [corp({ claims: { ...usual.claims, team: ['other_team'] } })]),
      { issuers: [], cache },
      { ...corp(), cache: { ...cache, maxTtlMs: 1_000 } }
    ]
    const revoked = [
      revocation({ kind: 'jti', iss: issuer.url, value: 'j-1', beforeMs: null }),
      revocation({ kind: 'sub', iss: issuer.url, value: 'u-1', beforeMs: startSec * 1000 - 60_000 }),
      revocation({ kind: 'sub', iss: issuer.url, value: 'u-1', beforeMs: startSec * 1000 + 10_000 }),
      revocation({ kind: 'team', iss: null, value: 'team-a', beforeMs: startSec * 1000 }),
      revocation({ kind: 'kid', iss: issuer.url, value: a.kid, beforeMs: null })
    ]

    const use = fc.record({ kind: fc.constant('use' as const), token: fc.nat(tokens.length - 1) })
    const move = fc.record({ kind: fc.constant('move' as const), ms: fc.integer({ min: -60_000, max: 120_000 }) })
    const rotate = fc.record({ kind: fc.constant('rotate' as const), set: fc.nat(sets.length - 1) })
    const revoke = fc.record({ kind: fc.constant('revoke' as const), which: fc.subarray(revoked) })
    const reload = fc.record({ kind: fc.constant('reload' as const), file: fc.nat(files.length - 1) })
    const steps = fc.array(
      fc.oneof({ weight: 8, arbitrary: use }, { weight: 2, arbitrary: move }, rotate, revoke, reload),
      { minLength: 4, maxLength: 30 }
    )

    const seen = new Map<string, number>()
    await fc.assert(
      fc.asyncProperty(steps, async steps => {
        clock.advance(startSec * 1000 - clock.nowMs())
        // The list anew with every step: made, lifted, loaded from a file or told by another gate.
        let revocations = new RevocationIndex([])
        let options = corp()
        const deps = {
          nowMs: clock.nowMs,
          random: () => 0.5,
          log: { warn() {}, info() {} },
          isOverloaded: () => false,
          revokedBy: (who: Parameters<RevocationIndex['find']>[0]) => revocations.find(who)
        }
        const authenticator = createAuthenticator(deps)
        let published: readonly object[] = []
        let serial = 0
        // A key that signs nothing makes each set another one, so that its arrival can be seen.
        const arrive = async (keys: readonly object[]) => {
          published = keys
          const marker = `marker-${serial++}`
          issuer.serve({ keys: [...keys, { ...makeKey('EdDSA').publicJwk, kid: marker }] })
          for (const set of authenticator.keySets) {
            while (!set.status().kids.includes(marker)) {
              set.start()
              await new Promise(resolve => setImmediate(resolve))
            }
          }
        }
        const cacheless = () => {
          const keySets = new Map(options.issuers.map((one, i) => [one.issuer, authenticator.keySets[i]]))
          return createVerifier(
            { ...options, cache: { maxEntries: 1, maxTtlMs: 1 } },
            { ...deps, keySets: new Map([...keySets].flatMap(([iss, set]) => (set === undefined ? [] : [[iss, set]]))) }
          )
        }
        let cached = authenticator.follow(options)
        authenticator.start()
        try {
          await arrive(sets[3] ?? [])
          for (const step of steps) {
            if (step.kind === 'move') clock.advance(step.ms)
            else if (step.kind === 'rotate') await arrive(sets[step.set] ?? [])
            else if (step.kind === 'revoke') revocations = new RevocationIndex(step.which)
            else if (step.kind === 'reload') {
              options = files[step.file] ?? corp()
              cached = authenticator.follow(options)
              await arrive(published)
            } else {
              const token = tokens[step.token] ?? ''
              const [expected, found] = [await outcome(cacheless(), token), await outcome(cached, token)]
              if (expected !== found) throw new Error(`token ${step.token}: ${expected} without, ${found} with`)
              seen.set(found, (seen.get(found) ?? 0) + 1)
            }
          }
          seen.set('from the cache', (seen.get('from the cache') ?? 0) + cached.stats.hits + cached.stats.negativeHits)
        } finally {
          authenticator.close()
        }
      }),
      { numRuns: RUNS }
    )
    // Else the steps have not provoked what they are there for.
    for (const what of ['u-1 of team-a', 'revoked', 'audience', 'unknown_issuer', 'from the cache']) {
      t.ok(seen.has(what), `${what}: ${seen.get(what)} times`)
    }
    t.comment([...seen].map(([what, times]) => `${what} ${times}`).join(', '))
  }
)
