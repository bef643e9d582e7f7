import type { Client } from '../exchange.ts'
import { inNetworks } from '../networks.ts'
import { IPV6_PREFIX, keyOf, readAddress } from './address.ts'
import type { IdentifyOptions } from './options.ts'

/** Finds whose address a request came from. Never throws: what cannot be read is not believed. */
export type ClientResolver = (peerAddress: string | undefined, rawHeaders: readonly string[]) => Client

const MAX_FORWARDED_BYTES = 1024
const MAX_HOPS = 20
const UNKNOWN = '0.0.0.0'

/**
 * Makes the resolver of a configuration.
 *
 * The socket's peer is the caller, unless it is a trusted proxy: then `X-Forwarded-For` is read from right to left,
 * trusted hops are skipped, and the first other address is the caller. A hop that is no address ends the walk at the
 * last trusted one, so that a caller cannot invent identities. `Forwarded` and `X-Real-IP` are not read.
 */
export function createClientResolver({
  trustedProxies,
  ipv6Prefix = IPV6_PREFIX
}: Pick<IdentifyOptions, 'trustedProxies'> & Partial<Pick<IdentifyOptions, 'ipv6Prefix'>>): ClientResolver {
  const isTrusted = inNetworks(trustedProxies)
  const clientOf = (ip: string, peerIp: string, isProxy: boolean) => ({
    ip,
    key: keyOf(ip, ipv6Prefix),
    peerIp,
    isProxy
  })

  return (peerAddress, rawHeaders) => {
    const peerIp = readAddress(peerAddress ?? '') ?? UNKNOWN
    if (!isTrusted(peerIp)) return clientOf(peerIp, peerIp, false)
    let ip = peerIp
    const hops = forwardedHops(rawHeaders)
    for (let i = hops.length - 1; i >= 0; i--) {
      const hop = readAddress(hops[i] ?? '')
      if (hop === null) break
      ip = hop
      if (!isTrusted(hop)) return clientOf(hop, peerIp, false)
    }
    return clientOf(ip, peerIp, true)
  }
}

/** Whether a request says that somebody has passed it on. */
export function isPassedOn(rawHeaders: readonly string[]): boolean {
  return rawHeaders.some((name, i) => i % 2 === 0 && /^(?:x-forwarded-for|forwarded|x-real-ip|via)$/i.test(name))
}

/** The hops of all X-Forwarded-For lines in order; the leftmost ones are given up when there are too many. */
function forwardedHops(rawHeaders: readonly string[]): string[] {
  let text = ''
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? ''
    if (name.length === 15 && name.toLowerCase() === 'x-forwarded-for') {
      text = text === '' ? (rawHeaders[i + 1] ?? '') : `${text},${rawHeaders[i + 1] ?? ''}`
    }
  }
  if (text === '') return []
  const hops = text.slice(-MAX_FORWARDED_BYTES).split(',')
  // A cut in the middle of an address must not be read as another one.
  if (text.length > MAX_FORWARDED_BYTES) hops.shift()
  return hops.slice(-MAX_HOPS)
}
