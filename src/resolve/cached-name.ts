import { isDeepStrictEqual } from 'node:util'
import type { Ms } from '../time.ts'
import { DnsError, type NameAddress } from './names.ts'
import type { ResolverOptions } from './options.ts'
import type { NameAnswer } from './query.ts'

/** What a cached name is given. */
export interface CachedNameInit {
  /** Asks for a name once. @throws DnsError */
  readonly ask: (host: string, before: NameAnswer | null) => Promise<NameAnswer>
  readonly options: () => ResolverOptions
  /** The name servers that are asked now. */
  readonly servers: () => readonly string[]
  readonly random: () => number
  /** Called after each resolution that failed, and after one that succeeded again. */
  readonly onOutcome: (host: string, fault: DnsError | null) => void
}

const FIRST_RETRY_MS: Ms = 500
/** A name that does not exist any more is believed to be gone after this: while engines are replaced there may be none. */
const GONE_MS: Ms = 30_000

/**
 * What is known of one name: its last good addresses, and when they are asked for again.
 *
 * One resolution of it runs at a time, for no longer than the resolver's timeout, whatever other names do. While it is kept
 * (`keep`), it is asked for again in the background when its TTL is over; else when somebody wants it.
 */
export class CachedName {
  readonly host: string
  addresses: readonly NameAddress[] | null = null
  fault: DnsError | null = null
  readonly #init: CachedNameInit
  readonly #listeners = new Set<() => void>()
  #kept = 0
  #answer: NameAnswer | null = null
  #answeredAtMs: Ms = 0
  #nextAtMs: Ms = Number.NEGATIVE_INFINITY
  #failures = 0
  #running: Promise<void> | null = null
  #timer: NodeJS.Timeout | null = null

  constructor(host: string, init: CachedNameInit) {
    this.host = host
    this.#init = init
  }

  /** True while somebody wants it to be asked for in the background. */
  get isKept(): boolean {
    return this.#kept > 0
  }

  /** Begins to ask for it in the background. @returns what ends that */
  keep(onChange: () => void): () => void {
    // One function may be given twice.
    const listener = () => onChange()
    this.#listeners.add(listener)
    if (++this.#kept === 1) this.#schedule(Math.max(0, this.#nextAtMs - performance.now()))
    return () => {
      if (!this.#listeners.delete(listener)) return
      if (--this.#kept > 0 || this.#timer === null) return
      clearTimeout(this.#timer)
      this.#timer = null
    }
  }

  /** Its addresses: at once when they are known to be good, or known not to be there. @throws DnsError */
  async resolve(): Promise<readonly NameAddress[]> {
    if (this.addresses !== null && (this.isKept || performance.now() < this.#nextAtMs)) return this.addresses
    if (this.#running !== null || performance.now() >= this.#nextAtMs) await this.#resolveOnce()
    if (this.addresses !== null) return this.addresses
    throw this.fault ?? new DnsError('DNS_TIMEOUT', this.host, 'no answer yet')
  }

  /** Asks again now, because how names are resolved has changed. */
  refresh(): void {
    this.#failures = 0
    this.#nextAtMs = Number.NEGATIVE_INFINITY
    if (this.isKept) this.#schedule(0)
  }

  #resolveOnce(): Promise<void> {
    this.#running ??= this.#ask().finally(() => {
      this.#running = null
      if (this.isKept) this.#schedule(Math.max(0, this.#nextAtMs - performance.now()))
    })
    return this.#running
  }

  /** Never rejects. */
  async #ask(): Promise<void> {
    const { timeoutMs, minTtlMs, maxTtlMs, negativeTtlMs } = this.#init.options()
    try {
      const answer = await within(timeoutMs, this.#init.ask(this.host, this.#answer), () => this.#late(timeoutMs))
      this.#answer = answer
      this.#answeredAtMs = performance.now()
      this.#nextAtMs = this.#answeredAtMs + Math.min(Math.max(answer.ttlMs, minTtlMs), maxTtlMs)
      this.#failures = 0
      this.#settle(null, answer.addresses)
    } catch (err) {
      const fault =
        err instanceof DnsError ? err : new DnsError('DNS_SERVER_FAILURE', this.host, String(err), { cause: err })
      // Not later than configured, and sooner at first: most faults are short.
      this.#nextAtMs = performance.now() + Math.min(FIRST_RETRY_MS * 2 ** this.#failures, negativeTtlMs)
      this.#failures = Math.min(this.#failures + 1, 16)
      this.#settle(fault, this.#isStillGood(fault) ? this.addresses : null)
    }
  }

  #late(ms: Ms): DnsError {
    const servers = this.#init.servers().join(', ')
    return new DnsError('DNS_TIMEOUT', this.host, `no answer of the name servers within ${ms} ms (${servers})`)
  }

  #isStillGood(fault: DnsError): boolean {
    const { maxStaleMs } = this.#init.options()
    return performance.now() - this.#answeredAtMs < (fault.isNotFound ? Math.min(GONE_MS, maxStaleMs) : maxStaleMs)
  }

  #settle(fault: DnsError | null, addresses: readonly NameAddress[] | null): void {
    const wasFailing = this.fault !== null
    const isChanged = !isDeepStrictEqual(addresses, this.addresses)
    this.fault = fault
    if (isChanged) this.addresses = addresses
    if (fault !== null || wasFailing) this.#init.onOutcome(this.host, fault)
    if (!isChanged) return
    for (const listener of [...this.#listeners]) listener()
  }

  #schedule(ms: Ms): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    // Up to a tenth sooner, so that many gateways do not ask at the same moment.
    this.#timer = setTimeout(() => void this.#resolveOnce(), ms * (1 - 0.1 * this.#init.random()))
    this.#timer.unref()
  }
}

async function within<T>(ms: Ms, work: Promise<T>, errorOf: () => Error): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(errorOf()), ms)
  try {
    return await Promise.race([work, promise])
  } finally {
    clearTimeout(timer)
  }
}
