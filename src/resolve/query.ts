import { Resolver, type SrvRecord } from 'node:dns'
import type { Ms } from '../time.ts'
import { DnsError, type DnsFault, isServiceName, type NameAddress } from './names.ts'
import type { ResolverOptions } from './options.ts'
import {
  FollowedFile,
  familyOf,
  type HostsFile,
  type ResolvConf,
  readHosts,
  readResolvConf,
  searchNames
} from './system-files.ts'

/** Where a name leads, as it was just found. */
export interface NameAnswer {
  /** Never empty; in a fixed order, without doubles. */
  readonly addresses: readonly NameAddress[]
  readonly ttlMs: Ms
  /** The full name that had them. */
  readonly fullName: string
  /** When each family was answered last, by the monotonic clock. */
  readonly seenAtMs: Readonly<Record<4 | 6, Ms>>
}

/** The files that say how this machine resolves names. */
export interface SystemFiles {
  readonly hosts: string
  readonly resolvConf: string
}

type Found = { readonly is: 'found'; readonly addresses: readonly string[]; readonly ttlMs: Ms }
type Outcome = Found | { readonly is: 'none' } | { readonly is: 'failed'; readonly error: DnsError }

/** A server gets so long for its first try, and twice as long for the next ones. */
const TRY_MS: Ms = 1_000
const TRIES = 3
/** When one family has been answered, the other one is waited for no longer than this. */
const GRACE_MS: Ms = 250
/** What a file says is looked at again after this. */
const FILE_TTL_MS: Ms = 2_000
/** Node does not say the TTL of SRV records. */
const SRV_TTL_MS: Ms = 10_000
/** More addresses of one name are not used. */
const MAX_ADDRESSES = 128
const LOOPBACK = ['127.0.0.1', '::1']

const FAULTS: Readonly<Record<string, DnsFault>> = {
  ETIMEOUT: 'DNS_TIMEOUT',
  ECANCELLED: 'DNS_TIMEOUT',
  ENOTFOUND: 'DNS_NOT_FOUND',
  ENODATA: 'DNS_NOT_FOUND',
  EBADNAME: 'DNS_NOT_FOUND',
  EREFUSED: 'DNS_REFUSED',
  ECONNREFUSED: 'DNS_UNREACHABLE'
}

/**
 * Asks for names: the hosts file, then DNS with the search domains of resolv.conf. Both files are followed.
 *
 * By sockets of the event loop and never by getaddrinfo, which holds a thread of libuv's pool for as long as a name server
 * is silent, so that all other names of the process wait. Other sources of nsswitch.conf(5) are not asked.
 */
export class NameQuery {
  #resolver = newResolver()
  readonly #hosts: FollowedFile<HostsFile>
  readonly #conf: FollowedFile<ResolvConf>
  #options: ResolverOptions
  #servers = ''

  constructor(options: ResolverOptions, { hosts, resolvConf }: SystemFiles) {
    this.#options = options
    this.#hosts = new FollowedFile(hosts, readHosts)
    this.#conf = new FollowedFile(resolvConf, readResolvConf)
  }

  set options(options: ResolverOptions) {
    this.#options = options
  }

  /** The name servers that are asked now. */
  get servers(): readonly string[] {
    return this.#options.servers ?? this.#conf.value.servers
  }

  /**
   * Asks for a name once.
   * @param before its last answer; a family that cannot be asked for now stays as it was
   * @throws DnsError
   */
  async ask(host: string, before: NameAnswer | null): Promise<NameAnswer> {
    this.#followServers()
    const name = host.toLowerCase()
    const answer = isServiceName(name) ? this.#askService(name, before) : this.#askHost(name, before)
    const { addresses, ...rest } = await answer
    return { ...rest, addresses: addresses.slice(0, MAX_ADDRESSES) }
  }

  /** Ends what is asked at the moment. */
  cancel(): void {
    this.#resolver.cancel()
  }

  async #askHost(host: string, before: NameAnswer | null): Promise<NameAnswer> {
    const known = this.#fromFile(host)
    if (known.length > 0) return this.#answer(host, { 4: known, 6: [] }, FILE_TTL_MS, null)
    return await this.#search(host, before, async name => await this.#askFamilies(name, before))
  }

  /** Tries each search name in turn. A name that has failed is passed over, unless it is the one that had the last answer. */
  async #search(
    host: string,
    before: NameAnswer | null,
    ask: (name: string) => Promise<NameAnswer | null>
  ): Promise<NameAnswer> {
    let failure: DnsError | null = null
    const names = searchNames(host, this.#conf.value)
    for (const name of names) {
      try {
        const answer = await ask(name)
        if (answer !== null) return answer
      } catch (err) {
        if (!(err instanceof DnsError) || err.code !== 'DNS_SERVER_FAILURE' || name === before?.fullName) throw err
        failure ??= err
      }
    }
    throw (
      failure ?? new DnsError('DNS_NOT_FOUND', host, `no such name, or it has no address (asked: ${names.join(', ')})`)
    )
  }

  /** @returns null when there is no such name @throws DnsError when that is not known */
  async #askFamilies(name: string, before: NameAnswer | null): Promise<NameAnswer | null> {
    const { family } = this.#options
    const families = family === 'any' ? ([4, 6] as const) : family === 'ipv4' ? ([4] as const) : ([6] as const)
    const outcomes = new Map<4 | 6, Outcome>()
    await new Promise<void>(resolve => {
      let grace: NodeJS.Timeout | undefined
      for (const of of families) {
        void this.#askFamily(name, of).then(outcome => {
          outcomes.set(of, outcome)
          if (outcomes.size === families.length) {
            clearTimeout(grace)
            resolve()
          } else if (outcome.is === 'found') grace = setTimeout(resolve, GRACE_MS)
        })
      }
    })
    const all = [...outcomes.values()]
    const found = all.filter(outcome => outcome.is === 'found')
    if (found.length === 0) {
      const failed = all.find(outcome => outcome.is === 'failed')
      if (failed !== undefined) throw failed.error
      return null
    }
    const of = (which: 4 | 6) => {
      const outcome = outcomes.get(which)
      return outcome?.is === 'found' ? outcome.addresses : []
    }
    const unknown = families.find(which => !['found', 'none'].includes(outcomes.get(which)?.is ?? ''))
    const kept = unknown === undefined || before?.fullName !== name ? null : { family: unknown, before }
    return this.#answer(name, { 4: of(4), 6: of(6) }, Math.min(...found.map(({ ttlMs }) => ttlMs)), kept)
  }

  #askFamily(name: string, family: 4 | 6): Promise<Outcome> {
    return new Promise(resolve => {
      const done = (err: NodeJS.ErrnoException | null, records: readonly { address: string; ttl: number }[]) => {
        if (err !== null) {
          const error = this.#errorFrom(err, name)
          resolve(error.isNotFound ? { is: 'none' } : { is: 'failed', error })
        } else if (records.length === 0) resolve({ is: 'none' })
        else {
          const ttlMs = Math.min(...records.map(({ ttl }) => ttl)) * 1_000
          resolve({ is: 'found', addresses: records.map(({ address }) => address), ttlMs })
        }
      }
      if (family === 4) this.#resolver.resolve4(name, { ttl: true }, done)
      else this.#resolver.resolve6(name, { ttl: true }, done)
    })
  }

  async #askService(service: string, before: NameAnswer | null): Promise<NameAnswer> {
    return await this.#search(service, before, async name => {
      const records = await this.#askSrv(name)
      if (records.length === 0) return null
      const first = Math.min(...records.map(({ priority }) => priority))
      const usable = records.filter(({ priority }) => priority === first).slice(0, MAX_ADDRESSES)
      const targets = [...new Set(usable.map(record => record.name))]
      // One that cannot be asked for now must not make its engine vanish: then the last answer holds for all of them.
      const answers = new Map(
        await Promise.all(targets.map(async target => [target, await this.#addressesOf(target)] as const))
      )
      const addresses = usable.flatMap(({ name: target, port, weight }) =>
        (answers.get(target)?.addresses ?? []).map(found => ({ ...found, port, weight }))
      )
      if (addresses.length === 0) return null
      const ttls = [...answers.values()].flatMap(answer => (answer === null ? [] : [answer.ttlMs]))
      const nowMs = performance.now()
      return {
        addresses: sorted(addresses),
        ttlMs: Math.min(SRV_TTL_MS, ...ttls),
        fullName: name,
        seenAtMs: { 4: nowMs, 6: nowMs }
      }
    })
  }

  async #addressesOf(target: string): Promise<NameAnswer | null> {
    const known = this.#fromFile(target.toLowerCase())
    if (known.length > 0) return this.#answer(target, { 4: known, 6: [] }, FILE_TTL_MS, null)
    return await this.#askFamilies(target, null)
  }

  async #askSrv(name: string): Promise<readonly SrvRecord[]> {
    return await new Promise((resolve, reject) => {
      this.#resolver.resolveSrv(name, (err, records) => {
        if (err === null) {
          resolve(records.filter(record => record.name !== '' && record.name !== '.'))
          return
        }
        const error = this.#errorFrom(err, name)
        if (error.isNotFound) resolve([])
        else reject(error)
      })
    })
  }

  /** What the hosts file says; `localhost` and what is below it is this machine in any case (RFC 6761 section 6.3). */
  #fromFile(host: string): readonly string[] {
    const name = host.replace(/\.$/, '')
    const known = [...(this.#hosts.value.get(name) ?? []), ...(/(^|\.)localhost$/.test(name) ? LOOPBACK : [])]
    const { family } = this.#options
    return family === 'any' ? known : known.filter(address => familyOf(address) === (family === 'ipv4' ? 4 : 6))
  }

  #answer(
    fullName: string,
    found: Readonly<Record<4 | 6, readonly string[]>>,
    ttlMs: Ms,
    kept: { readonly family: 4 | 6; readonly before: NameAnswer } | null
  ): NameAnswer {
    const nowMs = performance.now()
    const isKept = kept !== null && nowMs - kept.before.seenAtMs[kept.family] < this.#options.maxStaleMs
    const seenAtMs = isKept
      ? { 4: nowMs, 6: nowMs, [kept.family]: kept.before.seenAtMs[kept.family] }
      : { 4: nowMs, 6: nowMs }
    const addresses = [...new Set([...found[4], ...found[6]])].map(
      address => ({ address, family: familyOf(address), port: null, weight: null }) satisfies NameAddress
    )
    const others = isKept ? kept.before.addresses.filter(({ family }) => family === kept.family) : []
    return { addresses: sorted([...addresses, ...others]), ttlMs, fullName, seenAtMs }
  }

  #followServers(): void {
    const servers = this.servers
    const text = servers.join(' ')
    if (text === this.#servers) return
    // Servers of a resolver cannot be changed while it asks: what is asked at the moment ends with the old one.
    this.#resolver = newResolver()
    this.#resolver.setServers(servers)
    this.#servers = text
  }

  #errorFrom(err: NodeJS.ErrnoException, host: string): DnsError {
    const code = FAULTS[err.code ?? ''] ?? 'DNS_SERVER_FAILURE'
    const servers = this.servers.join(', ')
    const messages: Readonly<Record<DnsFault, string>> = {
      DNS_TIMEOUT: `no answer of the name servers (${servers})`,
      DNS_NOT_FOUND: 'no such name, or it has no address',
      DNS_REFUSED: `the name servers refuse the query (${servers})`,
      DNS_SERVER_FAILURE: `the name servers fail with ${err.code} (${servers})`,
      DNS_UNREACHABLE: `the name servers cannot be reached (${servers})`
    }
    return new DnsError(code, host, messages[code], { cause: err })
  }
}

function newResolver(): Resolver {
  return new Resolver({ timeout: TRY_MS, tries: TRIES, maxTimeout: 2 * TRY_MS })
}

/** IPv4 first, then by text: servers rotate their answers, which is no change. */
function sorted(addresses: readonly NameAddress[]): readonly NameAddress[] {
  const byKey = new Map(addresses.map(found => [`${found.family} ${found.address} ${found.port}`, found]))
  return [...byKey].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, found]) => found)
}
