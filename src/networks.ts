import { BlockList } from 'node:net'

/** Says whether an address, written canonically, lies in one of some networks. */
export type InNetworks = (ip: string) => boolean

/** @param ranges CIDR ranges or single addresses, which the schema has checked */
export function inNetworks(ranges: readonly string[]): InNetworks {
  if (ranges.length === 0) return () => false
  const list = new BlockList()
  for (const range of ranges) {
    const [network = '', prefix] = range.split('/')
    const family = network.includes(':') ? 'ipv6' : 'ipv4'
    if (prefix === undefined) list.addAddress(network, family)
    else list.addSubnet(network, Number(prefix), family)
  }
  return ip => list.check(ip, ip.includes(':') ? 'ipv6' : 'ipv4')
}
