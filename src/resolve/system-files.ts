import { readFileSync, statSync } from 'node:fs'
import { isIP, isIPv6 } from 'node:net'
import type { Ms, NowMs } from '../time.ts'

/** What `/etc/resolv.conf` says (resolv.conf(5)). */
export interface ResolvConf {
  /** Addresses, as Node takes them. */
  readonly servers: readonly string[]
  /** Domains that are appended to names, in order. */
  readonly search: readonly string[]
  /** A name with fewer dots is tried with the search domains first. */
  readonly ndots: number
}

/** What `/etc/hosts` says: a name in lower case → its addresses, in order. */
export type HostsFile = ReadonlyMap<string, readonly string[]>

const MAX_NDOTS = 15

/** Reads the text of a resolv.conf. Without a server it is the one of this machine, as for the C library. */
export function readResolvConf(text: string): ResolvConf {
  const servers: string[] = []
  let search: readonly string[] = []
  let ndots = 1
  for (const line of text.split('\n')) {
    const [keyword, ...words] = line
      .replace(/[#;].*/, '')
      .trim()
      .split(/\s+/)
    if (keyword === 'nameserver' && words[0] !== undefined && isIP(words[0]) !== 0) servers.push(words[0])
    // The last one counts, and `domain` is a list of one.
    if (keyword === 'search') search = words
    if (keyword === 'domain') search = words.slice(0, 1)
    if (keyword !== 'options') continue
    for (const word of words) {
      const dots = /^ndots:(\d+)$/.exec(word)
      if (dots !== null) ndots = Math.min(Number(dots[1]), MAX_NDOTS)
    }
  }
  return {
    servers: servers.length === 0 ? ['127.0.0.1'] : servers,
    search: search.map(domain => domain.replace(/\.$/, '')).filter(domain => domain !== ''),
    ndots
  }
}

/** The names that are asked for a name, in order: as the C library has it. A name that ends with a dot is asked as it is. */
export function searchNames(host: string, { search, ndots }: Pick<ResolvConf, 'search' | 'ndots'>): readonly string[] {
  if (host.endsWith('.')) return [host.slice(0, -1)]
  const withDomains = search.map(domain => `${host}.${domain}`)
  return host.split('.').length - 1 >= ndots ? [host, ...withDomains] : [...withDomains, host]
}

/** Reads the text of a hosts file. */
export function readHosts(text: string): HostsFile {
  const hosts = new Map<string, string[]>()
  for (const line of text.split('\n')) {
    const [address = '', ...names] = line.replace(/#.*/, '').trim().split(/\s+/)
    if (isIP(address) === 0) continue
    for (const name of names) {
      const key = name.toLowerCase()
      const known = hosts.get(key)
      if (known === undefined) hosts.set(key, [address])
      else if (!known.includes(address)) known.push(address)
    }
  }
  return hosts
}

/** The family of an address. */
export function familyOf(address: string): 4 | 6 {
  return isIPv6(address) ? 6 : 4
}

const LOOK_MS: Ms = 500

/** A small file that is read again after it has changed; looked at twice a second at most. A missing one is empty. */
export class FollowedFile<T> {
  readonly #path: string
  readonly #read: (text: string) => T
  #seen = ''
  readonly #nowMs: NowMs
  #value: T
  #lookedAtMs: Ms = Number.NEGATIVE_INFINITY

  /** @param nowMs a monotonic clock */
  constructor(path: string, read: (text: string) => T, nowMs: NowMs = () => performance.now()) {
    this.#path = path
    this.#read = read
    this.#nowMs = nowMs
    this.#value = read('')
  }

  /** What it says now. */
  get value(): T {
    const nowMs = this.#nowMs()
    if (nowMs - this.#lookedAtMs < LOOK_MS) return this.#value
    this.#lookedAtMs = nowMs
    try {
      const { mtimeMs, size, ino } = statSync(this.#path)
      const seen = `${mtimeMs} ${size} ${ino}`
      if (seen === this.#seen) return this.#value
      this.#value = this.#read(readFileSync(this.#path, 'utf8'))
      this.#seen = seen
    } catch {
      // Replaced at this moment, or not there: what was read last holds.
    }
    return this.#value
  }
}
