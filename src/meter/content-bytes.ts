import { skipSpace } from '../json-members.ts'
import type { Bytes } from '../units.ts'

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COLON = 0x3a

/**
 * So many bytes of text that a model has made stand between two places of a JSON text: the strings of content, reasoning,
 * refusals and arguments, as they are written. Makes nothing on the way. What it cannot follow it counts no further.
 */
export function contentBytes(bytes: Uint8Array, start: number, limit: number): Bytes {
  let total = 0
  for (let at = start; at < limit; at++) {
    if (bytes[at] !== QUOTE) continue
    const close = closingQuote(bytes, at, limit)
    if (close === -1) break
    const colon = skipSpace(bytes, close + 1, limit)
    const isName = bytes[colon] === COLON
    const value = isName ? skipSpace(bytes, colon + 1, limit) : close
    if (isName && bytes[value] === QUOTE && value < limit) {
      const end = closingQuote(bytes, value, limit)
      if (end === -1) break
      if (isContent(bytes, at + 1, close - at - 1)) total += end - value - 1
      at = end
    } else at = isName ? value - 1 : close
  }
  return total
}

function closingQuote(bytes: Uint8Array, open: number, limit: number): number {
  for (let at = open + 1; at < limit; at++) {
    if (bytes[at] === BACKSLASH) at++
    else if (bytes[at] === QUOTE) return at
  }
  return -1
}

/** By its length and its first letters: among the names that stand in answers no other one has them. */
function isContent(bytes: Uint8Array, at: number, length: number): boolean {
  const [first, second] = [bytes[at], bytes[at + 1]]
  switch (length) {
    case 4:
      // `text`, not `type` or `role`.
      return first === 0x74 && second === 0x65
    case 5:
      // `delta` of responses.
      return first === 0x64 && second === 0x65
    case 7:
      // `content`, `refusal`.
      return (first === 0x63 && second === 0x6f) || (first === 0x72 && second === 0x65)
    case 8:
      // `thinking`.
      return first === 0x74 && second === 0x68
    case 9:
      // `arguments`, `reasoning`.
      return (first === 0x61 && second === 0x72) || (first === 0x72 && second === 0x65)
    case 10:
      // `transcript`.
      return first === 0x74 && second === 0x72
    case 12:
      // `partial_json`.
      return first === 0x70 && second === 0x61
    case 17:
      // `reasoning_content`.
      return first === 0x72 && second === 0x65
    default:
      return false
  }
}
