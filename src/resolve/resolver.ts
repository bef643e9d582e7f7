import { isIP } from 'node:net'
import { isDeepStrictEqual } from 'node:util'
import { CachedName } from './cached-name.ts'
import type { DnsError, NameAddress, NameResolver, ResolvedName } from './names.ts'
import type { ResolverOptions } from './options.ts'
import { NameQuery, type SystemFiles } from './query.ts'
import { familyOf } from './system-files.ts'

/** What a resolver is given. */
export interface ResolverInit {
  readonly options: ResolverOptions
  readonly log: { warn(facts: object, message: string): void; info(facts: object, message: string): void }
  readonly random?: () => number
  readonly files?: SystemFiles
}

/** A resolver, and what its owner may do with it. */
export interface OwnedResolver extends NameResolver {
  /** Follows a configuration: every name is asked for again. */
  follow(options: ResolverOptions): void
  close(): void
}

const FILES: SystemFiles = { hosts: '/etc/hosts', resolvConf: '/etc/resolv.conf' }
/** Names that nobody keeps resolved: so many are remembered. */
const MAX_PASSING = 256

/** Makes a resolver; it asks nothing before a name is wanted. */
export function createResolver(init: ResolverInit): OwnedResolver {
  const { log, random = Math.random, files = FILES } = init
  let { options } = init
  const query = new NameQuery(options, files)
  const names = new Map<string, CachedName>()
  const failing = new Map<string, DnsError['code']>()

  const onOutcome = (host: string, fault: DnsError | null) => {
    if (fault === null) {
      if (failing.delete(host)) log.info({ name: host }, 'DNS resolution recovered')
      return
    }
    // Once, and again when the cause changes.
    if (failing.get(host) === fault.code) return
    failing.set(host, fault.code)
    const keeps = names.get(host)?.addresses !== null
    log.warn({ name: host, code: fault.code, cause: fault.message, usesLastGood: keeps }, 'DNS resolution failed')
  }

  const nameOf = (host: string): CachedName => {
    const known = names.get(host)
    if (known !== undefined) return known
    if (names.size >= MAX_PASSING) forgetOne()
    const name = new CachedName(host, {
      ask: (wanted, before) => query.ask(wanted, before),
      options: () => options,
      servers: () => query.servers,
      random,
      onOutcome
    })
    names.set(host, name)
    return name
  }

  /** The oldest that nobody keeps. */
  const forgetOne = () => {
    for (const [host, name] of names) {
      if (name.isKept) continue
      names.delete(host)
      failing.delete(host)
      return
    }
  }

  return {
    open(host, onChange = () => {}) {
      const literal = literalName(host)
      if (literal !== null) return literal
      const name = nameOf(host)
      const stop = name.keep(onChange)
      return {
        host,
        get addresses() {
          return name.addresses
        },
        get fault() {
          return name.fault
        },
        ready: () => name.resolve(),
        close: stop
      }
    },
    resolve: async host => literalOf(host) ?? (await nameOf(host).resolve()),
    follow(next) {
      if (isDeepStrictEqual(options, next)) return
      options = next
      query.options = next
      for (const name of names.values()) name.refresh()
    },
    close: () => query.cancel()
  }
}

function literalOf(host: string): readonly NameAddress[] | null {
  return isIP(host) === 0 ? null : [{ address: host, family: familyOf(host), port: null, weight: null }]
}

/** The name of what is an address, and needs no resolver; null for any other host. */
export function literalName(host: string): ResolvedName | null {
  const addresses = literalOf(host)
  return addresses === null ? null : { host, addresses, fault: null, ready: async () => addresses, close() {} }
}
