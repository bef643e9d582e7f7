import type { IssuerOptions } from '../../src/authenticate/options.ts'

/** The options of an issuer as the configuration gives them by default; a test names what differs. */
export function issuerOptions(of: Partial<IssuerOptions> & Pick<IssuerOptions, 'issuer' | 'keys'>): IssuerOptions {
  return {
    name: 'corp',
    audiences: ['inference'],
    algorithms: ['RS256', 'PS256', 'ES256', 'EdDSA'],
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
    maxStaleMs: 86_400_000,
    ...of
  }
}
