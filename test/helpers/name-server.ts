import { createSocket, type RemoteInfo } from 'node:dgram'
import type { Test } from 'tap'

/** What a name server says of a name: its records by type, or how it fails. */
export type Zone =
  | {
      readonly a?: readonly string[]
      readonly aaaa?: readonly string[]
      readonly srv?: readonly SrvText[]
      ttl?: number
    }
  | 'silent'
  | 'servfail'
  | 'refused'

/** `priority weight port target`. */
export type SrvText = `${number} ${number} ${number} ${string}`

/** A name server of a test: what it says can change at any time. */
export interface NameServer {
  /** `127.0.0.1:port`. */
  readonly address: string
  /** Name (lower case, no dot at its end) → what it says. Any other name does not exist. */
  readonly zones: Map<string, Zone>
  /** True: it answers nothing at all. */
  isSilent: boolean
  /** Types that are never answered. */
  readonly silentTypes: Set<'A' | 'AAAA' | 'SRV'>
  /** `NAME TYPE` of every query, in order. */
  readonly asked: readonly string[]
}

const TYPES = { 1: 'A', 28: 'AAAA', 33: 'SRV' } as const
const CODES = { servfail: 2, refused: 5 } as const
const NXDOMAIN = 3

/** Starts a name server on loopback; it ends with the test. */
export async function startNameServer(
  t: Pick<Test, 'teardown'>,
  zones: Readonly<Record<string, Zone>> = {},
  at: { readonly address: string; readonly port: number } = { address: '127.0.0.1', port: 0 }
): Promise<NameServer> {
  const socket = createSocket('udp4')
  const asked: string[] = []
  const server = {
    zones: new Map(Object.entries(zones)),
    isSilent: false,
    silentTypes: new Set<'A' | 'AAAA' | 'SRV'>()
  }
  socket.on('message', (query, from: RemoteInfo) => {
    const { name, end } = readName(query, 12)
    const type = TYPES[query.readUInt16BE(end) as keyof typeof TYPES]
    asked.push(`${name} ${type}`)
    const zone = server.zones.get(name)
    if (server.isSilent || zone === 'silent' || server.silentTypes.has(type)) return
    socket.send(replyTo(query, end + 4, type, zone), from.port, from.address)
  })
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject)
    socket.bind(at.port, at.address, resolve)
  })
  t.teardown(() => socket.close())
  return Object.assign(server, { address: `${at.address}:${socket.address().port}`, asked })
}

function replyTo(query: Buffer, questionEnd: number, type: string, zone: Zone | undefined): Buffer {
  const code = zone === undefined ? NXDOMAIN : typeof zone === 'string' ? CODES[zone as keyof typeof CODES] : 0
  const records = typeof zone === 'object' ? recordsOf(zone, type) : []
  const head = Buffer.alloc(12)
  query.copy(head, 0, 0, 2)
  head.writeUInt16BE(0x8580 | code, 2)
  head.writeUInt16BE(1, 4)
  head.writeUInt16BE(records.length, 6)
  const ttl = (typeof zone === 'object' ? zone.ttl : undefined) ?? 1
  const answers = records.map(({ type: of, data }) => {
    const record = Buffer.alloc(12)
    // The name of the question.
    record.writeUInt16BE(0xc00c, 0)
    record.writeUInt16BE(of, 2)
    record.writeUInt16BE(1, 4)
    record.writeUInt32BE(ttl, 6)
    record.writeUInt16BE(data.length, 10)
    return Buffer.concat([record, data])
  })
  return Buffer.concat([head, query.subarray(12, questionEnd), ...answers])
}

function recordsOf(zone: Exclude<Zone, string>, type: string): { type: number; data: Buffer }[] {
  switch (type) {
    case 'A':
      return (zone.a ?? []).map(ip => ({ type: 1, data: Buffer.from(ip.split('.').map(Number)) }))
    case 'AAAA':
      return (zone.aaaa ?? []).map(ip => ({ type: 28, data: ipv6Bytes(ip) }))
    case 'SRV':
      return (zone.srv ?? []).map(text => {
        const [priority = '', weight = '', port = '', target = ''] = text.split(' ')
        const numbers = Buffer.alloc(6)
        for (const [i, value] of [priority, weight, port].entries()) numbers.writeUInt16BE(Number(value), i * 2)
        return { type: 33, data: Buffer.concat([numbers, nameBytes(target)]) }
      })
    default:
      return []
  }
}

function readName(query: Buffer, start: number): { name: string; end: number } {
  const labels: string[] = []
  let at = start
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length))
    at += 1 + length
  }
  return { name: labels.join('.').toLowerCase(), end: at + 1 }
}

function nameBytes(name: string): Buffer {
  const labels = name.split('.').flatMap(label => [Buffer.from([label.length]), Buffer.from(label, 'latin1')])
  return Buffer.concat([...labels, Buffer.from([0])])
}

function ipv6Bytes(ip: string): Buffer {
  const [left = '', right] = ip.split('::')
  const groups = (text: string) => (text === '' ? [] : text.split(':'))
  const [before, after] = [groups(left), groups(right ?? '')]
  const all = [...before, ...Array<string>(8 - before.length - after.length).fill('0'), ...after]
  const bytes = Buffer.alloc(16)
  for (const [i, group] of all.entries()) bytes.writeUInt16BE(Number.parseInt(group, 16), i * 2)
  return bytes
}
