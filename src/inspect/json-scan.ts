import { GateError } from '../errors.ts'
import type { Span } from '../exchange.ts'
import type { Bytes } from '../units.ts'

/** JSON deeper than this is refused: Python's parser in the engines gives up on what JavaScript's still reads. */
export const MAX_DEPTH = 64

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const COMMA = 0x2c

/** What V8 takes for each bracket and each comma of a text when it has parsed it, besides what its strings take. */
const BRACKET_BYTES: Bytes = 48
const COMMA_BYTES: Bytes = 16

/** What is found in a text before it is parsed. */
export interface Scan {
  /** The members of the outermost object, in the order of the text. */
  readonly members: Map<string, Span>
  /** What the parsed values take of memory besides the bytes of the text: about, and up to 22 times as much. */
  readonly parsedBytes: Bytes
}

/** A string that goes on for longer than this is skipped by a search for its end. */
const NEAR_BYTES = 64

/**
 * Finds the members of the outermost object of a JSON text, in one pass over its bytes.
 *
 * Adds what `JSON.parse` cannot tell: where each value stands, and whether a name stands twice
 * in the same object, at whatever depth and however it is escaped.
 * Safe on any bytes and cheap in memory, so it runs before `JSON.parse`, which takes some 40 bytes of memory for each
 * bracket of a body that is brackets alone. It does NOT decide whether the text is JSON: its result means something
 * only when `JSON.parse` agrees. Long strings are skipped by a search, so that a picture in base64 costs little.
 *
 * @throws TOLLGATE_INSPECT_JSON when no object stands at the root, or no name where one must stand
 * @throws TOLLGATE_INSPECT_DUPLICATE with `param`, the name that stands twice (RFC 8259 section 4)
 * @throws TOLLGATE_INSPECT_DEPTH
 */
export function scanMembers(bytes: Buffer): Scan {
  const members = new Map<string, Span>()
  const names = new Names()
  let at = skipSpace(bytes, 0)
  if (bytes[at] !== OPEN_BRACE) throw new GateError('TOLLGATE_INSPECT_JSON', { why: 'no object' })
  at++
  for (;;) {
    at = skipSpace(bytes, at)
    // An empty object, or the end of the last member.
    if (at >= bytes.length || bytes[at] === CLOSE_BRACE) return { members, parsedBytes: names.parsedBytes }
    const nameAt = at
    const nameEnd = endOfString(bytes, at)
    const name = readName(bytes, at, nameEnd)
    const start = skipSpace(bytes, skipSpace(bytes, nameEnd) + 1)
    const end = endOfValue(bytes, start, names)
    if (members.has(name)) throw duplicate(name)
    members.set(name, { nameAt, start, end })
    at = skipSpace(bytes, end)
    if (bytes[at] === COMMA) at++
  }
}

function duplicate(name: string): GateError {
  return new GateError('TOLLGATE_INSPECT_DUPLICATE', { param: name.slice(0, 64) })
}

function readName(bytes: Buffer, start: number, end: number): string {
  if (isPlainString(bytes, start, end)) return bytes.toString('latin1', start + 1, end - 1)
  let name: unknown
  try {
    name = JSON.parse(bytes.toString('utf8', start, end))
  } catch {
    // Falls through: what cannot be read is no name.
  }
  if (typeof name !== 'string') throw new GateError('TOLLGATE_INSPECT_JSON', { why: 'no name' })
  return name
}

/** A string of printable ASCII without escapes, as nearly every name is: it says what its bytes say. */
function isPlainString(bytes: Buffer, start: number, end: number): boolean {
  if (end - start < 2 || bytes[start] !== QUOTE || bytes[end - 1] !== QUOTE) return false
  for (let i = start + 1; i < end - 1; i++) {
    const byte = bytes[i] ?? 0
    if (byte < 0x20 || byte > 0x7e || byte === BACKSLASH) return false
  }
  return true
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
function endOfValue(bytes: Buffer, start: number, names: Names): number {
  let depth = 1
  // True where an object has opened or gone on to its next member: the string that follows is a name.
  let isName = false
  for (let i = start; i < bytes.length; i++) {
    switch (bytes[i]) {
      case QUOTE: {
        const end = endOfString(bytes, i)
        if (isName) names.add(depth, readName(bytes, i, end))
        isName = false
        i = end - 1
        if (depth === 1) return end
        break
      }
      case OPEN_BRACE:
      case OPEN_BRACKET:
        if (++depth > MAX_DEPTH) throw new GateError('TOLLGATE_INSPECT_DEPTH', { maxDepth: MAX_DEPTH })
        isName = bytes[i] === OPEN_BRACE
        names.open(depth, isName)
        break
      case CLOSE_BRACE:
      case CLOSE_BRACKET:
        // The end of the outermost object ends a number or a word that stood before it.
        if (--depth === 0) return trimEnd(bytes, i)
        if (depth === 1) return i + 1
        isName = false
        break
      case COMMA:
        names.parsedBytes += COMMA_BYTES
        if (depth === 1) return trimEnd(bytes, i)
        isName = names.isObject(depth)
        break
    }
  }
  return bytes.length
}

/** So many names are looked through one by one; more are looked up. */
const FEW = 12

/** The names of the objects that are open, one level below the other. Its lists are used again and again. */
class Names {
  readonly #levels: { isObject: boolean; few: string[]; many: Set<string> | null }[] = []
  parsedBytes: Bytes = 0

  open(depth: number, isObject: boolean): void {
    this.parsedBytes += BRACKET_BYTES
    const level = this.#levels[depth]
    if (level === undefined) {
      this.#levels[depth] = { isObject, few: [], many: null }
      return
    }
    level.isObject = isObject
    level.few.length = 0
    level.many = null
  }

  isObject(depth: number): boolean {
    return this.#levels[depth]?.isObject === true
  }

  /** @throws TOLLGATE_INSPECT_DUPLICATE */
  add(depth: number, name: string): void {
    const level = this.#levels[depth]
    if (level === undefined) return
    if (level.many === null && level.few.length === FEW) level.many = new Set(level.few)
    if (level.many?.has(name) ?? level.few.includes(name)) throw duplicate(name)
    if (level.many === null) level.few.push(name)
    else level.many.add(name)
  }
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
