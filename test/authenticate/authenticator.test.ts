import t from 'tap'
import { createAuthenticator } from '../../src/authenticate/authenticator.ts'
import { startIssuer } from '../helpers/issuer.ts'
import { issuerOptions } from '../helpers/issuer-options.ts'

const deps = { nowMs: Date.now, isOverloaded: () => false, random: () => 0.5, log: { warn() {}, info() {} } }
const cache = { maxEntries: 10, maxTtlMs: 60_000 }

t.test(
  'an issuer that did not change keeps its keys through a reload, and tokens that are remembered stay so',
  async t => {
    const issuer = await startIssuer(t)
    const of = () => issuerOptions({ issuer: issuer.url, keys: { kind: 'jwks_url', url: issuer.jwksUrl } })
    const authenticator = createAuthenticator(deps)
    t.teardown(() => authenticator.close())
    const first = authenticator.follow({ issuers: [of()], cache })
    authenticator.start()
    await authenticator.keySets[0]?.ready()
    const token = await issuer.sign()
    await first.verify(token)
    t.equal(authenticator.follow({ issuers: [of()], cache }), first)
    t.equal(issuer.fetches, 1)

    const stricter = authenticator.follow({ issuers: [of()], cache: { ...cache, maxTtlMs: 1 } })
    t.not(stricter, first)
    t.ok(stricter.verify(token) instanceof Promise, 'what was remembered is forgotten when the rules change')
    t.equal(issuer.fetches, 1, 'but the keys are not asked for again')
  }
)

t.test(
  'an issuer that changed is loaded anew, one that is new too, and one that is gone is believed no more',
  async t => {
    const [a, b] = [await startIssuer(t), await startIssuer(t)]
    const of = (issuer: typeof a, audiences: string[]) =>
      issuerOptions({ issuer: issuer.url, keys: { kind: 'jwks_url', url: issuer.jwksUrl }, audiences })
    const authenticator = createAuthenticator(deps)
    t.teardown(() => authenticator.close())
    const first = authenticator.follow({ issuers: [of(a, ['inference'])], cache })
    authenticator.start()
    await authenticator.keySets[0]?.ready()
    await first.verify(await a.sign())
    const second = authenticator.follow({ issuers: [of(b, ['inference'])], cache })
    await authenticator.keySets[0]?.ready()
    t.equal((await second.verify(await b.sign())).iss, b.url)
    await t.rejects(
      Promise.resolve().then(async () => await second.verify(await a.sign())),
      { code: 'TOLLGATE_AUTHENTICATE_INVALID' }
    )
    const third = authenticator.follow({ issuers: [of(b, ['elsewhere'])], cache })
    await authenticator.keySets[0]?.ready()
    await t.rejects(
      Promise.resolve().then(async () => await third.verify(await b.sign())),
      { code: 'TOLLGATE_AUTHENTICATE_INVALID' }
    )
  }
)
