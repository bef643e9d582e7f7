import { GateError } from '../errors.ts'
import type { Content } from '../exchange.ts'
import type { Bytes } from '../units.ts'
import { scanMembers } from './json-scan.ts'

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** An object that was read, and the memory that its values take besides its bytes: an estimate. */
export interface ReadContent extends Content {
  readonly parsedBytes: Bytes
}

/**
 * Reads a JSON object so that it has one reading: UTF-8 alone, no name twice, no deep nesting, no infinite number.
 *
 * @throws TOLLGATE_INSPECT_JSON when it is no JSON object in UTF-8
 * @throws TOLLGATE_INSPECT_DUPLICATE, TOLLGATE_INSPECT_DEPTH
 * @throws TOLLGATE_INSPECT_FIELD with `param`
 */
export function readObject(bytes: Buffer): ReadContent {
  const text = decode(bytes)
  // Before the parser: depth is a matter of its memory.
  const { members, parsedBytes } = scanMembers(bytes)
  const fields = parseObject(text)
  checkNumbers(fields, '')
  return { bytes, members, fields, parsedBytes }
}

function decode(bytes: Buffer): string {
  let text: string
  try {
    text = strictUtf8.decode(bytes)
  } catch (cause) {
    throw new GateError('TOLLGATE_INSPECT_JSON', { why: 'no UTF-8' }, { cause })
  }
  // Engines would guess at other encodings; a byte order mark is where the guessing starts.
  if (text.charCodeAt(0) === 0xfeff) throw new GateError('TOLLGATE_INSPECT_JSON', { why: 'byte order mark' })
  return text
}

function parseObject(text: string): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new GateError('TOLLGATE_INSPECT_JSON', {}, { cause })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new GateError('TOLLGATE_INSPECT_JSON', { why: 'no object' })
  }
  return value as Record<string, unknown>
}

/** 1e400 is infinite to one reader, a fault to another. The depth is bounded by the scan. */
function checkNumbers(value: unknown, param: string): void {
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new GateError('TOLLGATE_INSPECT_FIELD', { param })
  } else if (Array.isArray(value)) {
    for (const item of value) checkNumbers(item, param)
  } else if (typeof value === 'object' && value !== null) {
    for (const [name, item] of Object.entries(value)) checkNumbers(item, param === '' ? name.slice(0, 64) : param)
  }
}
