import { createHash, type Hash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import type { Bytes } from '../units.ts'

/**
 * The ledger as it stands on disk: what its writer and its readers agree upon.
 *
 * A gate that starts is a boot, and has files of its own, segments numbered from 0:
 * `usage-INSTANCE-BOOT-NUMBER.jsonl`, with `.open` behind it until the disk has its seal. A segment is lines of JSON: a
 * head, opens and usages, a seal. Every line of a boot has a number, one more than the line before; its `id` is `BOOT-NUMBER`, so that a
 * missing line shows. The last member of a line, `crc`, is the CRC-32 of everything from the beginning of the file up to
 * it, the members `crc` and the ends of lines left out.
 */
export const LINE_TYPES = {
  head: 'tollgate.segment.v1',
  open: 'tollgate.open.v1',
  usage: 'tollgate.usage.v1',
  seal: 'tollgate.seal.v1'
} as const

/** A longer line is no line of a ledger. Bounds what a reader holds. */
export const MAX_LINE_BYTES: Bytes = 64 * 1024

/** Where a segment stands in a folder. */
export interface SegmentName {
  readonly instance: string
  /** A ULID: boots sort by when they began. */
  readonly boot: string
  /** From 0. */
  readonly number: number
  /** It has no seal yet, or the disk may not have it. */
  readonly isOpen: boolean
}

const NAME = /^usage-([A-Za-z0-9_.-]{1,64})-([0-9A-HJKMNP-TV-Z]{26})-(\d{6,12})\.jsonl(\.open)?$/
const LOCK = /^usage-([A-Za-z0-9_.-]{1,64})-([0-9A-HJKMNP-TV-Z]{26})\.lock$/
/** What an instance may be called. */
export const INSTANCE_PATTERN = /^[A-Za-z0-9_.-]{1,64}$/

/** The file of a segment. */
export function segmentFile({ instance, boot, number, isOpen }: SegmentName): string {
  return `usage-${instance}-${boot}-${String(number).padStart(6, '0')}.jsonl${isOpen ? '.open' : ''}`
}

/** The file that is locked for as long as the boot lives; there until its last segment is sealed. */
export function lockFile({ instance, boot }: Pick<SegmentName, 'instance' | 'boot'>): string {
  return `usage-${instance}-${boot}.lock`
}

/** Reads the name of a file, or null for one that is no segment. */
export function readSegmentFile(file: string): SegmentName | null {
  const [, instance, boot, number, open] = NAME.exec(file) ?? []
  if (instance === undefined || boot === undefined) return null
  return { instance, boot, number: Number(number), isOpen: open !== undefined }
}

/** Reads the name of a lock, or null. */
export function readLockFile(file: string): Pick<SegmentName, 'instance' | 'boot'> | null {
  const [, instance, boot] = LOCK.exec(file) ?? []
  return instance === undefined || boot === undefined ? null : { instance, boot }
}

/** The id of a line. It sorts as the number does. */
export function lineId(boot: string, seq: number): string {
  return `${boot}-${String(seq).padStart(9, '0')}`
}

/** The number of a line by its id, or -1 when it is of another boot. */
export function seqOf(id: unknown, boot: string): number {
  if (typeof id !== 'string' || id.length < 36 || !id.startsWith(`${boot}-`)) return -1
  const seq = Number(id.slice(27))
  return Number.isSafeInteger(seq) && lineId(boot, seq) === id ? seq : -1
}

/** What every line says. */
export interface Line<Type extends string, Data> {
  readonly type: Type
  readonly id: string
  /** RFC 3339, UTC. By the wall clock, which may go backwards; the number does not. */
  readonly time: string
  readonly data: Data
}

/** The first line of a segment. */
export type Head = Line<
  typeof LINE_TYPES.head,
  {
    readonly instance: string
    readonly boot: string
    readonly segment: number
    /** `chain` of the segment before, null for the first. */
    readonly prev: string | null
    /** So many opens follow, of calls that went on when the segment began. */
    readonly carried: number
  }
>

/** A call goes to an engine. */
export type Open = Line<typeof LINE_TYPES.open, Omit<CallData, 'call'> & { readonly call: number }>

/** The last line of a segment. */
export type Seal = Line<
  typeof LINE_TYPES.seal,
  {
    readonly segment: number
    /** Lines before this one, and the numbers of the first and the last of them. More numbers than lines: some were lost. */
    readonly lines: number
    readonly first: number
    readonly last: number
    /** SHA-256 of all bytes before this line, hex. */
    readonly sha256: string
    /** SHA-256 of the head's `prev`, or nothing, and `sha256`: changes when any segment before does. */
    readonly chain: string
    /** The boot has ended: no segment follows. */
    readonly end: boolean
  }
>

/** Who asked for what, and where it went. */
export interface CallData {
  /** Number of the line that opened the call; null for one that no engine was asked for. */
  readonly call: number | null
  readonly request_id: string
  readonly team: string | null
  readonly sub: string
  readonly iss: string
  /** By the names of `engines/operations.ts`. */
  readonly op: string
  readonly api: string
  readonly stream: boolean
  /** As the caller wrote it. */
  readonly model_requested: string | null
  /** After aliases. */
  readonly model_served: string | null
  readonly pool: string | null
  readonly target: string | null
  readonly engine: string | null
  readonly bytes_in: number
  /** Prompts of the call, and answers to each, or to that with most. Missing in lines of older gateways: one. */
  readonly prompts?: number
  readonly answers?: number
  /** The configuration that the call began under, `sha256:…`, its secrets masked. */
  readonly config: string
  /** Version of this data. */
  readonly v: 1
}

/**
 * How a call ended. `gateway_crash`: the gate ended before the call did, and a later start has written this down.
 * `rejected`: no engine has answered it, because of what was asked or because there was no place for it.
 */
export const OUTCOMES = [
  'completed',
  'client_closed',
  'upstream_error',
  'timeout',
  'drained',
  'rejected',
  'gateway_crash'
] as const
/** One of them. */
export type Outcome = (typeof OUTCOMES)[number]

/** What a call has used. null is what nobody has said; 0 is what somebody has said. */
export interface UsageNumbers {
  /** `estimated`: input or output is the gateway's own guess, in whole or in part. */
  readonly source: 'engine_final' | 'engine_partial' | 'estimated' | 'none'
  /** What was found in a cache included. */
  readonly input: number | null
  readonly cached_input: number | null
  /** Reasoning included. */
  readonly output: number | null
  readonly reasoning_output: number | null
  readonly audio_seconds: number | null
  readonly requests: number
  /** The numbers that are the gateway's own guess; missing where there are none. */
  readonly estimated?: readonly ('input' | 'cached_input' | 'output')[]
}

/** The data of a usage. */
export interface UsageData extends CallData {
  readonly status: number | null
  readonly outcome: Outcome
  /** The gate's code of what went wrong. */
  readonly code: string | null
  /** How often it was sent on its way. */
  readonly attempt: number
  readonly usage: UsageNumbers
  readonly bytes_out: number
  /** Milliseconds from the first header to the first byte of the answer, and to the end. */
  readonly ms: { readonly ttft: number | null; readonly total: number | null }
}

/** A call and what it has used: a CloudEvent. No price is in it. */
export type UsageEvent = Line<typeof LINE_TYPES.usage, UsageData> & {
  readonly specversion: '1.0'
  /** `INSTANCE/BOOT`. With `id` it names the event in all the world. */
  readonly source: string
  /** The team; empty for a token without one. */
  readonly subject: string
}

/** One line, by its type. */
export type LedgerLine = Head | Open | UsageEvent | Seal

/** A line and how the next one is to be checked. @param crc of the line before; 0 for the first */
export function writeLine(line: LedgerLine, crc: number): { readonly text: string; readonly crc: number } {
  return withCheck(JSON.stringify(line), crc)
}

/** The same for a line that is JSON already. @param json an object with at least one member */
export function withCheck(json: string, crc: number): { readonly text: string; readonly crc: number } {
  const body = json.slice(0, -1)
  const next = crc32(body, crc)
  return { text: `${body},"crc":"${hex8(next)}"}\n`, crc: next }
}

/** `,"crc":"0123abcd"}` */
const CHECK_BYTES = 18
const CHECK = /^,"crc":"([0-9a-f]{8})"\}$/

/** What a line says of itself. */
export interface CheckedLine {
  /** What it should be checked by, for each of the values that the line before may have had. */
  readonly computed: readonly number[]
  /** What it says. */
  readonly stated: number | null
  /** Null where it cannot be read. */
  readonly line: LedgerLine | null
}

/** Reads a line, without its end. @param before checks of the line before */
export function readLine(bytes: Buffer, before: readonly number[]): CheckedLine {
  const body = bytes.subarray(0, Math.max(0, bytes.length - CHECK_BYTES))
  const [, check] = CHECK.exec(bytes.toString('latin1', body.length)) ?? []
  return {
    computed: before.map(crc => crc32(body, crc)),
    stated: check === undefined ? null : Number.parseInt(check, 16),
    line: check === undefined ? null : parsedLine(bytes)
  }
}

const TYPES: ReadonlySet<unknown> = new Set(Object.values(LINE_TYPES))

function parsedLine(bytes: Buffer): LedgerLine | null {
  try {
    const line = JSON.parse(bytes.toString('utf8'))
    return TYPES.has(line?.type) && typeof line.data === 'object' && line.data !== null ? line : null
  } catch {
    return null
  }
}

function hex8(crc: number): string {
  return crc.toString(16).padStart(8, '0')
}

/** Digests the bytes of a segment as they come. */
export function createDigest(): Hash {
  return createHash('sha256')
}

/** `chain` of a segment. @param prev of the segment before @param sha256 of its own bytes */
export function chainOf(prev: string | null, sha256: string): string {
  return createHash('sha256')
    .update(`${prev ?? ''}${sha256}`)
    .digest('hex')
}
