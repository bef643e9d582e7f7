import { invalid } from './reasons.ts'

/** A JSON object of a token, read so that no other reader can see something else in it. */
export type JsonObject = Readonly<Record<string, unknown>>

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const MAX_DEPTH = 16
const MAX_MEMBERS = 256

/**
 * Reads a JSON object strictly: UTF-8 without a byte order mark, an object at the root, no member name twice at any
 * level (RFC 7515 section 4, RFC 7519 section 4), no number that is not finite, bounded depth and size.
 *
 * @throws TOLLGATE_AUTHENTICATE_INVALID with reason `malformed` or `duplicate_member`
 */
export function readStrictObject(bytes: Uint8Array): JsonObject {
  let text: string
  let value: unknown
  try {
    text = strictUtf8.decode(bytes)
    value = JSON.parse(text)
  } catch {
    throw invalid('malformed')
  }
  if (!isObject(value) || text.charCodeAt(0) === 0xfeff) throw invalid('malformed')
  // Names first: that walk bounds the depth for the one that follows, which goes down by calling itself.
  checkNames(text)
  checkValue(value)
  return value
}

/** True for what JSON calls an object. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

// 1e400 reads as Infinity, which would make a token that never expires.
function checkValue(value: unknown): void {
  if (typeof value === 'number' && !Number.isFinite(value)) throw invalid('malformed')
  if (typeof value === 'object' && value !== null) for (const inner of Object.values(value)) checkValue(inner)
}

/** Walks the text, which is valid JSON, and compares the names within each object, after their escapes. */
function checkNames(text: string): void {
  const open: (Set<string> | null)[] = []
  let members = 0
  for (let i = 0; i < text.length; i++) {
    switch (text[i]) {
      case '{':
      case '[':
        if (open.push(text[i] === '{' ? new Set() : null) > MAX_DEPTH) throw invalid('malformed')
        break
      case '}':
      case ']':
        open.pop()
        break
      case '"': {
        const end = endOfString(text, i)
        const names = open.at(-1)
        if (names != null && isColonNext(text, end)) {
          const name = JSON.parse(text.slice(i, end)) as string
          if (names.has(name)) throw invalid('duplicate_member')
          if (++members > MAX_MEMBERS) throw invalid('malformed')
          names.add(name)
        }
        i = end - 1
      }
    }
  }
}

function endOfString(text: string, quote: number): number {
  for (let i = quote + 1; i < text.length; i++) {
    if (text[i] === '\\') i++
    else if (text[i] === '"') return i + 1
  }
  return text.length
}

function isColonNext(text: string, from: number): boolean {
  let i = from
  while (text[i] === ' ' || text[i] === '\n' || text[i] === '\r' || text[i] === '\t') i++
  return text[i] === ':'
}
