import type { Ms } from './time.ts'

/** Bytes. */
export type Bytes = number

const MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
const BYTES = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3, KB: 1e3, MB: 1e6, GB: 1e9 } as const

/** A duration as people write it: a whole number and its unit, without a space. */
export const DURATION_PATTERN = /^(\d{1,9})(ms|s|m|h|d)$/
/** A size as people write it: a whole number and its unit, without a space. */
export const SIZE_PATTERN = /^(\d{1,9})(B|KiB|MiB|GiB|KB|MB|GB)$/

/**
 * Reads `30s`, `5m`, `24h`, `250ms`, `180d`.
 * @throws TypeError when the text is no duration; the schema has refused such a text before.
 */
export function readDurationMs(text: string): Ms {
  const match = DURATION_PATTERN.exec(text)
  if (match === null) throw new TypeError(`not a duration: ${text}`)
  return Number(match[1]) * MS[match[2] as keyof typeof MS]
}

/**
 * Reads `8MiB`, `64KiB`, `512B`, `10MB`.
 * @throws TypeError when the text is no size; the schema has refused such a text before.
 */
export function readBytes(text: string): Bytes {
  const match = SIZE_PATTERN.exec(text)
  if (match === null) throw new TypeError(`not a size: ${text}`)
  return Number(match[1]) * BYTES[match[2] as keyof typeof BYTES]
}

/** A count as people write it: a whole number, with K, M or G for thousands, millions and billions. */
export const COUNT_PATTERN = /^(\d{1,9})([KMG]?)$/
const COUNTS = { '': 1, K: 1e3, M: 1e6, G: 1e9 } as const

/**
 * Reads `64`, `32K`, `2M`, `5G`, and plain numbers.
 * @throws TypeError when the text is no count; the schema has refused such a text before.
 */
export function readCount(text: string | number): number {
  const match = COUNT_PATTERN.exec(String(text))
  if (match === null) throw new TypeError(`not a count: ${text}`)
  return Number(match[1]) * COUNTS[match[2] as keyof typeof COUNTS]
}

/** `host:port`, `[v6]:port`, or `:port` for every address. */
export const ADDRESS_PATTERN = /^(|[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]):(\d{1,5})$/

/** Reads `127.0.0.1:8080`, `[::]:8080`, `:8080`. @throws TypeError when the text is no such address */
export function readListen(text: string): { host: string; port: number } {
  const match = ADDRESS_PATTERN.exec(text)
  if (match === null || Number(match[2]) > 65_535) throw new TypeError(`not an address: ${text}`)
  const host = (match[1] ?? '').replace(/^\[|\]$/g, '')
  return { host: host === '' ? '::' : host, port: Number(match[2]) }
}

/** Schema of a duration. `expected` is what `tollgate check` says is allowed. */
export const DURATION = {
  pattern: DURATION_PATTERN.source,
  expected: 'a duration such as 250ms, 30s, 5m or 24h'
} as const
/** Schema of a size. */
export const SIZE = { pattern: SIZE_PATTERN.source, expected: 'a size such as 512KiB, 2MiB or 64MiB' } as const
/** Schema of a count. */
export const COUNT = { pattern: COUNT_PATTERN.source, expected: 'a number such as 64, 32K or 2M' } as const
/** Schema of an address to listen on. */
export const ADDRESS = {
  pattern: ADDRESS_PATTERN.source,
  expected: 'an address and port such as 0.0.0.0:8080, [::]:8080 or :8080'
} as const
/** Pattern of a scope token (RFC 6749 section 3.3). */
export const SCOPE = '^[\\x21\\x23-\\x5B\\x5D-\\x7E]+$'
