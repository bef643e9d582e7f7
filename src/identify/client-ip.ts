import { isIP } from 'node:net'
import type { Client } from '../exchange.ts'
import { inNetworks } from './networks.ts'
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
export function createClientResolver(options: Pick<IdentifyOptions, 'trustedProxies'>): ClientResolver {
  const isTrusted = inNetworks(options.trustedProxies)

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

/**
 * What failures of an address are counted by: an IPv4 address itself, the /64 network of an IPv6 one, because a
 * single customer holds that many addresses.
 */
export function keyOf(ip: string): string {
  if (!ip.includes(':')) return ip
  const [head = '', tail = ''] = ip.split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === '' ? [] : tail.split(':')
  const groups = ip.includes('::') ? [...left, ...Array(8 - left.length - right.length).fill('0'), ...right] : left
  return `${groups.slice(0, 4).join(':')}::/64`
}

function clientOf(ip: string, peerIp: string, isProxy: boolean): Client {
  return { ip, key: keyOf(ip), peerIp, isProxy }
}

/** Reads one address: without port, brackets, zone; an IPv4 address in IPv6 clothes becomes IPv4. Null when it is none. */
export function readAddress(text: string): string | null {
  let address = text.trim()
  const bracketed = /^\[([0-9A-Fa-f:.%a-z]+)\](?::\d{1,5})?$/.exec(address)
  if (bracketed !== null) address = bracketed[1] ?? ''
  else if (/^\d{1,3}(?:\.\d{1,3}){3}:\d{1,5}$/.test(address)) address = address.slice(0, address.indexOf(':'))
  const zone = address.indexOf('%')
  if (zone !== -1) address = address.slice(0, zone)
  switch (isIP(address)) {
    case 4:
      return address
    case 6:
      return canonicalV6(address)
    default:
      return null
  }
}

function canonicalV6(address: string): string {
  // The URL parser writes an IPv6 address as RFC 5952 asks.
  const canonical = new URL(`http://[${address}]`).hostname.slice(1, -1)
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(canonical)
  if (mapped === null) return canonical
  const high = Number.parseInt(mapped[1] ?? '0', 16)
  const low = Number.parseInt(mapped[2] ?? '0', 16)
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`
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
