import type { BanOptions, IdentifyOptions } from '../../src/identify/options.ts'

/** The defaults of `clients`, with what a test differs in. */
export function banOptions(bans: Partial<BanOptions> = {}, trustedProxies: readonly string[] = []): IdentifyOptions {
  return {
    trustedProxies,
    ipv6Prefix: 64,
    maxConnections: null,
    bans: {
      mode: 'soft',
      after: 20,
      withinMs: 600_000,
      forMs: 600_000,
      maxMs: 86_400_000,
      never: [],
      ...bans
    }
  }
}
