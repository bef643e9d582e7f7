/** One address that a name leads to. */
export interface NameAddress {
  /** Written canonically, without brackets. */
  readonly address: string
  readonly family: 4 | 6
  /** Port and weight of an SRV record (RFC 2782); null where the name has address records alone. */
  readonly port: number | null
  readonly weight: number | null
}

/** Why a name could not be resolved. */
export type DnsFault = 'DNS_TIMEOUT' | 'DNS_NOT_FOUND' | 'DNS_REFUSED' | 'DNS_SERVER_FAILURE' | 'DNS_UNREACHABLE'

/** A name could not be resolved. The message says why, in words for the operator. */
export class DnsError extends Error {
  readonly code: DnsFault
  readonly host: string

  constructor(code: DnsFault, host: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
    this.host = host
  }

  /** The server has answered that there is no such name, or no address of it. Any other fault says nothing of the name. */
  get isNotFound(): boolean {
    return this.code === 'DNS_NOT_FOUND'
  }
}

/** A name that is kept resolved in the background, for as long as it is not closed. */
export interface ResolvedName {
  readonly host: string
  /** Its last good addresses, without waiting; null when there are none. The same array until they change. */
  readonly addresses: readonly NameAddress[] | null
  /** Why it could not be resolved the last time, or null. */
  readonly fault: DnsError | null
  /**
   * Its addresses. Waits for the first answer alone, and no longer than the resolver's timeout.
   * @throws (rejects with) DnsError
   */
  ready(): Promise<readonly NameAddress[]>
  close(): void
}

/** Resolves names apart from whatever uses them. */
export interface NameResolver {
  /**
   * Keeps a name resolved: a host name, an IP address, or a service name such as `_http._tcp.vllm.example`.
   * @param onChange called after its addresses have changed, or have come or gone altogether
   */
  open(host: string, onChange?: () => void): ResolvedName
  /** The addresses of a name that is asked for now and then; remembered for its TTL. @throws (rejects with) DnsError */
  resolve(host: string): Promise<readonly NameAddress[]>
}

/** The domain of a service, which its certificate and `Host` name (RFC 6125 section 6.2.1); any other host as it is. */
export function withoutService(host: string): string {
  return isServiceName(host) ? host.split('.').slice(2).join('.') : host
}

/** Whether a name is that of a service, whose SRV records say ports too (RFC 2782). */
export function isServiceName(host: string): boolean {
  return /^_[^.]+\._(?:tcp|udp)\./.test(host)
}
