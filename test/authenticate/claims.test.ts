import t from 'tap'
import { readClaims } from '../../src/authenticate/claims.ts'
import type { IssuerOptions } from '../../src/authenticate/options.ts'

const NOW = 1_800_000_000
const issuer: IssuerOptions = {
  name: 'corp',
  issuer: 'https://idp',
  keys: { kind: 'discovery' },
  audiences: ['inference', 'other'],
  algorithms: ['ES256'],
  maxLifetimeMs: 3_600_000,
  clockSkewMs: 30_000,
  types: ['JWT', 'at+jwt'],
  claims: {
    team: ['team_id'],
    subject: ['sub'],
    role: ['role'],
    scopes: [['scopes'], ['scope'], ['scp']],
    limits: null
  },
  refreshEveryMs: 300_000,
  maxStaleMs: 86_400_000
}
const good = { aud: 'inference', sub: 'u', iat: NOW - 10, exp: NOW + 600, team_id: 'red' }

function outcome(claims: object, more: { typ?: string | null; issuer?: Partial<IssuerOptions> } = {}): unknown {
  try {
    return readClaims({ ...good, ...claims }, more.typ ?? null, { ...issuer, ...more.issuer }, NOW * 1000)
  } catch (err) {
    return (err as { detail?: { reason: unknown } }).detail?.reason ?? err
  }
}

t.test('V9: the audience must be there and name one of ours exactly', async t => {
  t.match(outcome({ aud: ['x', 'other'] }), { sub: 'u' })
  for (const aud of [undefined, 'Inference', 'inference/', [], [1, 'inference'], {}, null])
    t.equal(outcome({ aud }), 'audience')
})

t.test('V10: exp must be a number in the future, without grace', async t => {
  t.match(outcome({ exp: NOW + 1 }), { expSec: NOW + 1 })
  t.equal(outcome({ exp: NOW }), 'expired')
  t.equal(outcome({ exp: NOW - 1 }), 'expired')
  for (const exp of [undefined, null, '9999999999', Number.NaN, 2 ** 60, 0, -1, true])
    t.equal(outcome({ exp }), 'claims', String(exp))
})

t.test('V11: nbf and iat may be ahead by the skew and no more; iat must be there', async t => {
  t.match(outcome({ nbf: NOW + 30 }), { nbfSec: NOW + 30 })
  t.equal(outcome({ nbf: NOW + 31 }), 'not_yet_valid')
  t.match(outcome({ iat: NOW + 30 }), { iatSec: NOW + 30 })
  t.equal(outcome({ iat: NOW + 31 }), 'issued_in_future')
  t.equal(outcome({ iat: undefined }), 'claims')
})

t.test('a token that was issued, or begins, after it expires contradicts itself, within the skew, too', async t => {
  t.equal(outcome({ exp: NOW + 10, iat: NOW + 20 }), 'lifetime')
  t.equal(outcome({ exp: NOW + 10, nbf: NOW + 20 }), 'lifetime')
  t.match(outcome({ exp: NOW + 20, iat: NOW + 20, nbf: NOW + 20 }), { expSec: NOW + 20 })
})

t.test('V12: a token that lives longer than max_lifetime is refused, measured from iat and from now', async t => {
  t.match(outcome({ iat: NOW, exp: NOW + 3630 }), { sub: 'u' })
  t.equal(outcome({ iat: NOW, exp: NOW + 3631 }), 'lifetime')
  t.equal(outcome({ iat: NOW - 3000, exp: NOW + 700 }), 'lifetime')
})

t.test('V13: only listed types, without regard to case and prefix; a token without one counts as JWT', async t => {
  for (const typ of ['JWT', 'jwt', 'at+jwt', 'application/at+JWT']) t.match(outcome({}, { typ }), { sub: 'u' })
  for (const typ of ['dpop+jwt', 'logout+jwt', 'secevent+jwt', ''])
    t.equal(outcome({}, { typ: typ || 'x' }), 'typ_rejected')
  t.equal(outcome({}, { issuer: { types: ['at+jwt'] } }), 'typ_rejected')
})

t.test('V13: an ID token opens nothing', async t => {
  t.equal(outcome({ nonce: 'n' }), 'typ_rejected')
  t.equal(outcome({ at_hash: 'h' }), 'typ_rejected')
  t.equal(outcome({ c_hash: 'h' }), 'typ_rejected')
})

t.test('V13: a logout token opens nothing, not even where the configuration lists its type', async t => {
  const events = { 'http://schemas.openid.net/event/backchannel-logout': {} }
  t.equal(outcome({ events }), 'typ_rejected')
  for (const typ of ['logout+jwt', 'application/DPoP+jwt', 'secevent+jwt'])
    t.equal(outcome({}, { typ, issuer: { types: ['JWT', typ] } }), 'typ_rejected', typ)
})

t.test('V19: sub, jti and team_id are texts of a bounded kind', async t => {
  for (const sub of [undefined, 1, '', 'x'.repeat(257), 'a\u0000b', 'a\nb']) t.equal(outcome({ sub }), 'claims')
  for (const team_id of [1, '', 'a b', 'a/b', 'x'.repeat(65), null]) t.equal(outcome({ team_id }), 'claims')
  t.match(outcome({ team_id: undefined }), { team: null })
  for (const name of ['jti', 'client_id', 'azp', 'role']) t.equal(outcome({ [name]: 1 }), 'claims', name)
})

t.test('V20: scopes are read from every configured place, as a list or a text, and must be scope tokens', async t => {
  const scopes = (claims: object) => [...(outcome(claims) as { scopes: Set<string> }).scopes]
  t.strictSame(scopes({ scope: 'a b', scp: ['c'], scopes: ['a'] }), ['a', 'b', 'c'])
  t.strictSame(scopes({}), [])
  t.strictSame(scopes({ roles: ['x'] }), [])
  for (const scope of [1, ['a b'], ['a"'], [''], [1], {}, null])
    t.equal(outcome({ scopes: scope }), 'claims', JSON.stringify(scope))
})

t.test('V21: paths reach into objects by own members alone', async t => {
  const claims = {
    team: ['https://x/y.z', 'team'],
    subject: ['sub'],
    role: ['role'],
    scopes: [['scope']],
    limits: null
  }
  t.match(outcome({ 'https://x/y.z': { team: 'blue' } }, { issuer: { claims } }), { team: 'blue' })
  t.match(outcome({}, { issuer: { claims: { ...claims, team: ['constructor', 'name'] } } }), { team: null })
  t.match(outcome({}, { issuer: { claims: { ...claims, team: ['__proto__', 'x'] } } }), { team: null })
})

t.test('a token may carry limits of its own, where the operator says that they stand', async t => {
  const claims = { ...issuer.claims, limits: ['limits'] }
  const limits = { rpm: 10, tpm: 5_000, concurrent: 2 }
  t.match(outcome({ limits }, { issuer: { claims } }), { limits })
  t.match(outcome({ limits: { rpm: 10, other: 1 } }, { issuer: { claims } }), { limits: { rpm: 10, tpm: null } })
  t.match(outcome({}, { issuer: { claims } }), { limits: null })
  t.match(outcome({ limits: 'all' }), { limits: null })
  for (const wrong of ['10', 10, [], null, { rpm: 0 }, { rpm: -1 }, { tpm: '5' }, { concurrent: 1.5 }])
    t.equal(outcome({ limits: wrong }, { issuer: { claims } }), 'claims', JSON.stringify(wrong))
})

t.test('V22: a token that is bound to a key is not taken as a plain bearer', async t => {
  t.equal(outcome({ cnf: { jkt: 'x' } }), 'cnf')
})
