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

/**
 * Finds the members of the outermost object of a JSON text, in one pass over its bytes.
 *
 * The text must be valid JSON with an object at its root (`JSON.parse` has said so); this adds what that cannot tell:
 * where each value stands, and whether a name stands twice, however it is escaped. Long strings are skipped by a
 * search for their end, so that a picture in base64 costs little.
 *
 * @throws TOLLGATE_INSPECT_DUPLICATE with `param`, the name that stands twice (RFC 8259 section 4)
 * @throws TOLLGATE_INSPECT_DEPTH
 */
export function scanMembers(bytes: Buffer): Map<string, Span> {
  const members = new Map<string, Span>()
  let at = skipSpace(bytes, 0) + 1
  for (;;) {
    at = skipSpace(bytes, at)
    // An empty object, or the end of the last member.
    if (at >= bytes.length || bytes[at] === CLOSE_BRACE) return members
    const nameEnd = endOfString(bytes, at)
    const name = JSON.parse(bytes.toString('utf8', at, nameEnd)) as string
    const start = skipSpace(bytes, skipSpace(bytes, nameEnd) + 1)
    const end = endOfValue(bytes, start)
    if (members.has(name)) throw new GateError('TOLLGATE_INSPECT_DUPLICATE', { param: name.slice(0, 64) })
    members.set(name, { start, end })
    at = skipSpace(bytes, end)
    if (bytes[at] === COMMA) at++
  }
}

/** @param at the quote that opens the string @returns the index after the quote that closes it */
function endOfString(bytes: Buffer, at: number): number {
  let quote = bytes.indexOf(QUOTE, at + 1)
  while (quote !== -1 && isEscaped(bytes, quote)) quote = bytes.indexOf(QUOTE, quote + 1)
  return quote === -1 ? bytes.length : quote + 1
}

/** A quote is escaped when an odd number of backslashes stands before it. */
function isEscaped(bytes: Buffer, quote: number): boolean {
  let from = quote
  while (bytes[from - 1] === BACKSLASH) from--
  return (quote - from) % 2 === 1
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
