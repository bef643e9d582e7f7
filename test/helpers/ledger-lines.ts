import {
  chainOf,
  createDigest,
  type LedgerLine,
  lineId,
  type UsageEvent,
  writeLine
} from '../../src/segments/format.ts'

/** A boot that never was. */
export const BOOT = '01JD9K3S7M0000000000000000'
const TIME = '2026-11-23T08:15:09.123Z'

/** Who asked for what. */
export const CALL_DATA = {
  request_id: 'r-1',
  team: 'team-a',
  sub: 'u-1',
  iss: 'https://idp.example.com',
  op: 'chat',
  api: '/v1/chat/completions',
  stream: true,
  model_requested: 'm',
  model_served: 'm',
  pool: 'p',
  target: 'http://e',
  engine: 'vllm',
  bytes_in: 12,
  config: 'sha256:00',
  v: 1
} as const

/** An open, or a usage, with its number. */
export function openLine(seq: number, call = seq): LedgerLine {
  return { type: 'tollgate.open.v1', id: lineId(BOOT, seq), time: TIME, data: { call, ...CALL_DATA } }
}

export function usageLine(seq: number, call: number | null, data: Partial<UsageEvent['data']> = {}): UsageEvent {
  return {
    specversion: '1.0',
    type: 'tollgate.usage.v1',
    source: `gw-0/${BOOT}`,
    id: lineId(BOOT, seq),
    time: TIME,
    subject: 'team-a',
    data: {
      call,
      ...CALL_DATA,
      status: 200,
      outcome: 'completed',
      code: null,
      attempt: 1,
      usage: {
        source: 'engine_final',
        input: 3,
        cached_input: null,
        output: 0,
        reasoning_output: null,
        audio_seconds: null,
        requests: 1
      },
      bytes_out: 34,
      ms: { ttft: 1, total: 2 },
      ...data
    }
  }
}

/** The bytes of a segment: a head, lines that are made from their numbers, and a seal unless it is left out. */
export function segmentBytes(init: {
  readonly lines: readonly ((seq: number) => LedgerLine)[]
  readonly first?: number
  readonly number?: number
  readonly prev?: string | null
  readonly isSealed?: boolean
  readonly isLast?: boolean
}): { readonly bytes: Buffer; readonly lines: readonly LedgerLine[]; readonly chain: string; readonly next: number } {
  const { first = 0, number = 0, prev = null, isSealed = true, isLast = false } = init
  const head: LedgerLine = {
    type: 'tollgate.segment.v1',
    id: lineId(BOOT, first),
    time: TIME,
    data: { instance: 'gw-0', boot: BOOT, segment: number, prev, carried: 0 }
  }
  const lines = [head, ...init.lines.map((make, index) => make(first + 1 + index))]
  let crc = 0
  let text = ''
  const write = (line: LedgerLine) => {
    const written = writeLine(line, crc)
    crc = written.crc
    text += written.text
  }
  for (const line of lines) write(line)
  const sha256 = createDigest().update(text).digest('hex')
  const chain = chainOf(prev, sha256)
  const last = first + lines.length - 1
  if (isSealed) {
    const data = { segment: number, lines: lines.length, first, last, sha256, chain, end: isLast }
    const seal: LedgerLine = { type: 'tollgate.seal.v1', id: lineId(BOOT, last + 1), time: TIME, data }
    lines.push(seal)
    write(seal)
  }
  return { bytes: Buffer.from(text), lines, chain, next: first + lines.length }
}
