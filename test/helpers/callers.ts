import { Exchange, type Identity, type Usage } from '../../src/exchange.ts'
import type { MetricsOptions } from '../../src/metrics/options.ts'

/** What metrics show and watch unless a file says more. */
export const NO_THRESHOLDS: MetricsOptions = { topSubjects: 20, subjectKey: null, perUser: [] }

/** Who a token is of; what a test does not care about is the same for all. */
export function identityOf(some: Partial<Identity> = {}): Identity {
  return {
    iss: 'https://idp',
    sub: 'u-1',
    team: 'red',
    scopes: new Set(),
    role: null,
    iatSec: 0,
    expSec: 1,
    jti: null,
    kid: null,
    alg: 'ES256',
    fingerprint: 'f',
    ...some
  }
}

/** A call that has ended. @param tokens of its input; null when nothing was told of them */
export function callBy(identity: Identity | null, tokens: number | null = null): Exchange {
  const exchange = new Exchange({ id: 'r-1', startedAtMs: 0, method: 'POST', path: '/x' })
  if (identity !== null) exchange.identity = identity
  const usage: Usage = {
    source: 'engine_final',
    inputTokens: tokens,
    cachedInputTokens: null,
    outputTokens: null,
    reasoningTokens: null,
    audioSeconds: null
  }
  return Object.assign(exchange, { usage: tokens === null ? null : usage })
}
