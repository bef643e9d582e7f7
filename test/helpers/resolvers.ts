import type { ResolverOptions } from '../../src/resolve/options.ts'
import { createResolver, type OwnedResolver, type ResolverInit } from '../../src/resolve/resolver.ts'

/** The defaults of the key `resolver`. */
export const RESOLVER: ResolverOptions = {
  servers: null,
  timeoutMs: 5_000,
  minTtlMs: 1_000,
  maxTtlMs: 60_000,
  negativeTtlMs: 5_000,
  maxStaleMs: 3_600_000,
  family: 'any'
}

/** One line of a log: its facts and its message. */
export type LogLine = readonly [facts: object, message: string]

/** A resolver that asks a name server of a test, in short times; what it logs is in `lines`. */
export function resolverAt(
  t: { teardown(done: () => void): void },
  server: string,
  more: Partial<ResolverOptions> = {},
  files?: ResolverInit['files']
): OwnedResolver & { readonly lines: readonly LogLine[] } {
  const lines: LogLine[] = []
  const note = (facts: object, message: string) => void lines.push([facts, message])
  const resolver = createResolver({
    options: { ...RESOLVER, servers: [server], minTtlMs: 20, maxTtlMs: 50, timeoutMs: 300, negativeTtlMs: 50, ...more },
    log: { warn: note, info: note },
    random: () => 0,
    ...(files === undefined ? {} : { files })
  })
  t.teardown(() => resolver.close())
  return { ...resolver, lines }
}
