const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const COMMA = 0x2c
const COLON = 0x3a

/**
 * Walks through the members of one JSON object in a text of bytes and says where each stands. Makes nothing on the way,
 * so that it can be used on every event of a stream.
 *
 * It does NOT decide whether the text is JSON: it follows strings and brackets, and gives up on what cannot be followed.
 * Names are compared as they are written; an escaped one is another name.
 */
export class Members {
  /** The quote that opens the name. */
  nameAt = 0
  /** The value, from its first byte up to `end`. */
  start = 0
  end = 0
  /** Where the value of the member before ended; -1 for the first member. */
  endBefore = -1
  /** The byte after the object's own end; -1 until it has been reached, and for ever where the text is broken. */
  after = -1
  #bytes: Uint8Array = new Uint8Array()
  #limit = 0
  #at = 0
  #nameEnd = 0

  /** Begins at an opening brace. Nothing at or after `limit` is looked at. @returns false where no object begins */
  open(bytes: Uint8Array, at: number, limit = bytes.length): boolean {
    const isObject = at < limit && bytes[at] === OPEN_BRACE
    this.#bytes = bytes
    this.#limit = limit
    this.#at = isObject ? at + 1 : limit
    this.endBefore = -1
    this.end = -1
    this.after = -1
    return isObject
  }

  /** Begins inside of an object, where the value of one of its members has ended. */
  resume(bytes: Uint8Array, at: number, limit = bytes.length): void {
    this.#bytes = bytes
    this.#limit = limit
    this.#at = at
    this.end = at
    this.after = -1
  }

  /** Goes to the next member. @returns false after the last one, or where the text cannot be followed; `after` tells */
  next(): boolean {
    const bytes = this.#bytes
    const limit = this.#limit
    let at = skipSpace(bytes, this.#at, limit)
    const isFirst = this.end === -1
    if (at < limit && bytes[at] === CLOSE_BRACE) {
      this.after = at + 1
      this.#at = limit
      return false
    }
    if (!isFirst) {
      if (at >= limit || bytes[at] !== COMMA) return this.#giveUp()
      at = skipSpace(bytes, at + 1, limit)
    }
    this.endBefore = this.end
    this.nameAt = at
    at = endOfString(bytes, at, limit)
    if (at === -1) return this.#giveUp()
    this.#nameEnd = at
    at = skipSpace(bytes, at, limit)
    if (at >= limit || bytes[at] !== COLON) return this.#giveUp()
    this.start = skipSpace(bytes, at + 1, limit)
    this.end = endOfValue(bytes, this.start, limit)
    if (this.end === -1) return this.#giveUp()
    this.#at = this.end
    return true
  }

  /** Whether the member's name is written exactly so. */
  isNamed(name: string): boolean {
    const length = name.length
    if (this.#nameEnd - this.nameAt !== length + 2) return false
    for (let i = 0; i < length; i++) if (this.#bytes[this.nameAt + 1 + i] !== name.charCodeAt(i)) return false
    return true
  }

  /** The member's name as it reads, without its escapes. @throws SyntaxError when it is none */
  name(): string {
    return JSON.parse(new TextDecoder().decode(this.#bytes.subarray(this.nameAt, this.#nameEnd)))
  }

  #giveUp(): false {
    this.#at = this.#limit
    this.after = -1
    // Asked again, it finds no end either.
    this.end = 0
    return false
  }
}

/** The next byte that is no white space. */
export function skipSpace(bytes: Uint8Array, at: number, limit: number): number {
  while (at < limit) {
    const byte = bytes[at]
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) break
    at++
  }
  return at
}

/** @param at the quote that opens @returns the index after the quote that closes, or -1 */
function endOfString(bytes: Uint8Array, at: number, limit: number): number {
  if (at >= limit || bytes[at] !== QUOTE) return -1
  for (let i = at + 1; i < limit; i++) {
    const byte = bytes[i] as number
    if (byte === QUOTE) return i + 1
    if (byte === BACKSLASH) i++
    else if (byte < 0x20) return -1
  }
  return -1
}

/** @param at the first byte of a value @returns the index after its last byte, or -1 where it cannot be followed */
export function endOfValue(bytes: Uint8Array, at: number, limit: number): number {
  if (at >= limit) return -1
  const first = bytes[at]
  if (first === QUOTE) return endOfString(bytes, at, limit)
  if (first !== OPEN_BRACE && first !== OPEN_BRACKET) return endOfWord(bytes, at, limit)
  let depth = 0
  for (let i = at; i < limit; i++) {
    switch (bytes[i]) {
      case QUOTE:
        i = endOfString(bytes, i, limit) - 1
        if (i < 0) return -1
        break
      case OPEN_BRACE:
      case OPEN_BRACKET:
        depth++
        break
      case CLOSE_BRACE:
      case CLOSE_BRACKET:
        if (--depth === 0) return i + 1
        break
    }
  }
  return -1
}

/** A number, `true`, `false` or `null`: as far as its letters go. */
function endOfWord(bytes: Uint8Array, at: number, limit: number): number {
  let i = at
  for (; i < limit; i++) {
    const byte = bytes[i] as number
    const isPart =
      (byte >= 0x30 && byte <= 0x39) ||
      (byte >= 0x61 && byte <= 0x7a) ||
      byte === 0x2d ||
      byte === 0x2e ||
      byte === 0x2b ||
      byte === 0x45
    if (!isPart) break
  }
  return i === at ? -1 : i
}
