import { GateError } from '../errors.ts'

/** Where a value stands in the bytes: from `start` up to, not including, `end`. */
export interface Span {
  readonly start: number
  readonly end: number
}

/** JSON deeper than this is refused: Python's parser in the engines gives up on what JavaScript's still reads. */
export const MAX_DEPTH = 64

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const COMMA = 0x2c

/** A string that goes on for longer than this is skipped by a search for its end. */
const NEAR_BYTES = 64

/**
 * Finds the members of the outermost object of a JSON text, in one pass over its bytes.
 *
 * Adds what `JSON.parse` cannot tell: where each value stands, and whether a name stands twice, however it is escaped.
 * Safe on any bytes and cheap in memory, so it runs before `JSON.parse`, which takes some 40 bytes of memory for each
 * bracket of a body that is brackets alone. It does NOT decide whether the text is JSON: its result means something
 * only when `JSON.parse` agrees. Long strings are skipped by a search, so that a picture in base64 costs little.
 *
 * @throws TOLLGATE_INSPECT_JSON when no object stands at the root, or no name where one must stand
 * @throws TOLLGATE_INSPECT_DUPLICATE with `param`, the name that stands twice (RFC 8259 section 4)
 * @throws TOLLGATE_INSPECT_DEPTH
 */
export function scanMembers(bytes: Buffer): Map<string, Span> {
  const members = new Map<string, Span>()
  let at = skipSpace(bytes, 0)
  if (bytes[at] !== OPEN_BRACE) throw new GateError('TOLLGATE_INSPECT_JSON', { why: 'no object' })
  at++
  for (;;) {
    at = skipSpace(bytes, at)
    // An empty object, or the end of the last member.
    if (at >= bytes.length || bytes[at] === CLOSE_BRACE) return members
    const nameEnd = endOfString(bytes, at)
    const name = readName(bytes, at, nameEnd)
    const start = skipSpace(bytes, skipSpace(bytes, nameEnd) + 1)
    const end = endOfValue(bytes, start)
    if (members.has(name)) throw new GateError('TOLLGATE_INSPECT_DUPLICATE', { param: name.slice(0, 64) })
    members.set(name, { start, end })
    at = skipSpace(bytes, end)
    if (bytes[at] === COMMA) at++
  }
}

function readName(bytes: Buffer, start: number, end: number): string {
  let name: unknown
  try {
    name = JSON.parse(bytes.toString('utf8', start, end))
  } catch {
    // Falls through: what cannot be read is no name.
  }
  if (typeof name !== 'string') throw new GateError('TOLLGATE_INSPECT_JSON', { why: 'no name' })
  return name
}

/** @param at the quote that opens the string @returns the index after the quote that closes it */
function endOfString(bytes: Buffer, at: number): number {
  let i = at + 1
  while (i < bytes.length) {
    // A search costs as much as some dozens of steps: short strings, and escapes that stand close, are walked.
    for (const near = Math.min(i + NEAR_BYTES, bytes.length); i < near; i++) {
      if (bytes[i] === QUOTE) return i + 1
      if (bytes[i] === BACKSLASH) i++
    }
    const quote = bytes.indexOf(QUOTE, i)
    if (quote === -1) return bytes.length
    if (!isEscaped(bytes, quote, i)) return quote + 1
    i = quote + 1
  }
  return bytes.length
}

/** A quote is escaped when an odd number of backslashes stands before it. @param from where no escape is under way */
function isEscaped(bytes: Buffer, quote: number, from: number): boolean {
  let start = quote
  while (start > from && bytes[start - 1] === BACKSLASH) start--
  return (quote - start) % 2 === 1
}

/** @param start the first byte of the value, which is a member of the outermost object */
function endOfValue(bytes: Buffer, start: number): number {
  let depth = 1
  for (let i = start; i < bytes.length; i++) {
    switch (bytes[i]) {
      case QUOTE:
        i = endOfString(bytes, i) - 1
        if (depth === 1) return i + 1
        break
      case OPEN_BRACE:
      case OPEN_BRACKET:
        if (++depth > MAX_DEPTH) throw new GateError('TOLLGATE_INSPECT_DEPTH', { maxDepth: MAX_DEPTH })
        break
      case CLOSE_BRACE:
      case CLOSE_BRACKET:
        // The end of the outermost object ends a number or a word that stood before it.
        if (--depth === 0) return trimEnd(bytes, i)
        if (depth === 1) return i + 1
        break
      case COMMA:
        if (depth === 1) return trimEnd(bytes, i)
        break
    }
  }
  return bytes.length
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
}

function skipSpace(bytes: Buffer, at: number): number {
  while (isSpace(bytes[at])) at++
  return at
}

function trimEnd(bytes: Buffer, end: number): number {
  while (isSpace(bytes[end - 1])) end--
  return end
}
