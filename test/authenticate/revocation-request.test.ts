import t from 'tap'
import { readRequest, readTime } from '../../src/authenticate/revocation-request.ts'
import { issuerOptions } from '../helpers/issuer-options.ts'

const NOW = Date.parse('2026-01-31T12:00:00Z')
const [corp, lab] = [
  issuerOptions({ name: 'corp', issuer: 'https://corp', keys: { kind: 'discovery' } }),
  issuerOptions({ name: 'lab', issuer: 'https://lab', keys: { kind: 'hs256_secret', secret: new Uint8Array(32) } })
]
const context = (issuers = [corp, lab]) => ({
  issuers,
  lifetimes: { maxLifetimeMs: 3_600_000, clockSkewMs: 30_000 },
  nowMs: NOW,
  cutStreams: true
})

t.test('an issuer is named by its name or its iss, and may be left out where there is one, or for a team', async t => {
  t.match(readRequest({ sub: 'u', issuer: 'corp' }, context()), {
    iss: 'https://corp',
    beforeMs: NOW,
    cutStreams: true
  })
  t.match(readRequest({ jti: 'j', issuer: 'https://lab' }, context()), { iss: 'https://lab', beforeMs: null })
  t.match(readRequest({ kid: 'k', cut_streams: false }, context([corp])), { iss: 'https://corp', cutStreams: false })
  t.match(readRequest({ team: 'red' }, context()), { iss: null })
  t.throws(() => readRequest({ sub: 'u' }, context()), { message: /name one of corp, lab/ })
  t.throws(() => readRequest({ kid: 'k', issuer: 'lab' }, context()), { message: /secret of lab has no name/ })
})

t.test('a time is one of RFC 3339, and no other', async t => {
  t.equal(readTime('2026-01-31T13:00:00+01:00'), NOW)
  t.equal(readTime('2026-01-31T12:00:00.5Z'), NOW + 500)
  for (const odd of ['2026-01-31', '12', 'now', '2026-13-31T12:00:00Z', 5, null])
    t.equal(readTime(odd), null, String(odd))
  const { beforeMs, untilMs } = readRequest({ team: 'red', issued_before: '2026-01-31T11:30:00Z' }, context())
  t.equal(beforeMs, NOW - 1_800_000)
  t.equal(untilMs, NOW + 1_830_000)
})

t.test('the id of a revocation can be typed behind a command: it looks like no option', async t => {
  t.match(readRequest({ team: 'red' }, context()).id, /^[0-9a-f]{18}$/)
})
