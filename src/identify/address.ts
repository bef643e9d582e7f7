import { isIP } from 'node:net'

/** A single customer holds that many IPv6 addresses. */
export const IPV6_PREFIX = 64

/**
 * What an address is counted and banned by: an IPv4 address itself, of an IPv6 one its network, `2001:db8:0:7::/64`.
 * @param ip canonical
 * @param prefix bits of IPv6 that tell one caller from another, 48 to 128
 */
export function keyOf(ip: string, prefix: number = IPV6_PREFIX): string {
  if (!ip.includes(':')) return ip
  const [head = '', tail = ''] = ip.split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === '' ? [] : tail.split(':')
  const groups = ip.includes('::') ? [...left, ...Array(8 - left.length - right.length).fill('0'), ...right] : left
  const kept = groups.slice(0, Math.ceil(prefix / 16))
  const spare = kept.length * 16 - prefix
  if (spare > 0) {
    const last = Number.parseInt(kept.at(-1) ?? '0', 16)
    kept[kept.length - 1] = ((last >> spare) << spare).toString(16)
  }
  return `${kept.join(':')}${kept.length < 8 ? '::' : ''}/${prefix}`
}

/**
 * Reads an address, or a key as `keyOf` writes it: `203.0.113.7`, `2001:db8::7`, `2001:db8:0:0::/64`. Null when it is neither.
 * @param prefix of an address that stands without one
 */
export function readKey(
  text: string,
  prefix: number = IPV6_PREFIX
): { readonly ip: string; readonly key: string } | null {
  const [, address = '', own] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(text) ?? []
  const ip = readAddress(address)
  if (ip === null) return null
  if (own === undefined) return { ip, key: keyOf(ip, prefix) }
  const bits = Number(own)
  return ip.includes(':') && bits >= 48 && bits <= 128 ? { ip, key: keyOf(ip, bits) } : null
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
