import { endOfValue, Members, skipSpace } from '../json-members.ts'
import type { Bytes } from '../units.ts'
import { contentBytes } from './content-bytes.ts'
import { type Counts, countsOfMessage, isRecord, NOTHING, readCounts, readMessageUsage, sum } from './counts.ts'

/** So much of the beginning and of the end of an answer is kept; a shorter one is kept whole. */
const KEPT_BYTES: Bytes = 64 * 1024
/** A list is kept whole up to here: each of its items has numbers of its own. */
const KEPT_OF_LIST_BYTES: Bytes = 1024 * 1024
/** Small pieces are put together when there are more. */
const MAX_PIECES = 64
/** Pieces of this length are left as they are: the oldest is let go of as soon as enough has come after it. */
const BLOCK_BYTES: Bytes = 16 * 1024
/** So many places where a name stands are looked at. */
const MAX_PLACES = 64

/** Where an answer in one piece says what it has used. */
export type BodyKind = 'usage' | 'responses' | 'messages' | 'native'

/**
 * Reads the usage of an answer that is one JSON text. Changes nothing and holds nothing back.
 *
 * Usage stands at the end of such a text, or at its beginning, whatever long lists are between: only the ends are kept, and
 * nothing is parsed but the usage itself.
 */
export class BodyReader {
  readonly #kind: BodyKind
  #head: Buffer[] = []
  #headBytes = 0
  #tail: Buffer[] = []
  #tailBytes = 0
  /** How many pieces at the end of the tail have not been put together. */
  #loose = 0
  #isWhole = true
  /** By the first byte that is no space; null before it has come. */
  #isList: boolean | null = null

  constructor(kind: BodyKind) {
    this.#kind = kind
  }

  chunk(piece: Buffer): void {
    this.#isList ??= isList(piece)
    if (this.#headBytes < KEPT_BYTES) {
      this.#headBytes += piece.length
      this.#head.push(piece)
      if (this.#head.length > MAX_PIECES) this.#head = [Buffer.concat(this.#head)]
    }
    this.#tailBytes += piece.length
    this.#tail.push(piece)
    this.#loose++
    const keptBytes = this.#isList === true ? KEPT_OF_LIST_BYTES : KEPT_BYTES
    while (this.#tailBytes - (this.#tail[0]?.length ?? 0) >= keptBytes) {
      this.#tailBytes -= this.#tail.shift()?.length ?? 0
      this.#isWhole = false
    }
    if (this.#loose > MAX_PIECES) {
      const block = Buffer.concat(this.#tail.splice(-this.#loose))
      this.#tail.push(block)
      this.#loose = block.length < BLOCK_BYTES ? 1 : 0
    }
  }

  /** What the answer says, as far as it has come: nothing, where it is not whole. */
  counts(): Counts {
    const tail = joined(this.#tail)
    // Not by the tail, which may begin anywhere: in a list of an object, too.
    if (this.#isList === true) return this.#isWhole ? countsOfList(tail) : NOTHING
    const read = (name: string) => this.#value(tail, name)
    switch (this.#kind) {
      case 'responses':
      case 'usage': {
        const usage = read('usage')
        if (isRecord(usage)) return readCounts(usage)
        // Cohere's dialect.
        const meta = read('meta')
        return isRecord(meta) ? readCohere(meta.billed_units) : NOTHING
      }
      case 'messages':
        return countsOfMessage(readMessageUsage(read('usage')))
      case 'native':
        return readCounts(read('meta_info'))
    }
  }

  /** Bytes of the text that a model has made; null where the answer is not kept whole. */
  contentBytes(): Bytes | null {
    const text = joined(this.#tail)
    // Before it the request is repeated.
    const from = this.#kind === 'responses' ? text.indexOf('"output":') : 0
    return this.#isWhole ? contentBytes(text, Math.max(0, from), text.length) : null
  }

  #value(tail: Buffer, name: string): unknown {
    return lastMember(tail, name) ?? (this.#isWhole ? undefined : firstMember(joined(this.#head), name))
  }
}

function isList(text: Buffer): boolean | null {
  const first = text[skipSpace(text, 0, text.length)]
  return first === undefined ? null : first === 0x5b
}

function joined(pieces: readonly Buffer[]): Buffer {
  return pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces)
}

/**
 * The value of a member of the outermost object, found from the end of a text whose beginning may be missing.
 *
 * A name in its quotes that follows a comma or a brace stands in no string; and it belongs to the outermost object when
 * what follows its value ends with the text.
 */
export function lastMember(text: Buffer, name: string): unknown {
  const quoted = Buffer.from(JSON.stringify(name))
  const members = new Members()
  let from = text.length
  for (let places = 0; places < MAX_PLACES && from > 0; places++) {
    const at = text.lastIndexOf(quoted, from - 1)
    if (at === -1) return undefined
    from = at
    const colon = skipSpace(text, at + quoted.length, text.length)
    if (text[colon] !== 0x3a || !followsSeparator(text, at)) continue
    const start = skipSpace(text, colon + 1, text.length)
    const end = endOfValue(text, start, text.length)
    if (end === -1) continue
    members.resume(text, end)
    while (members.next());
    if (members.after !== -1 && skipSpace(text, members.after, text.length) === text.length) {
      return parsed(text.subarray(start, end))
    }
  }
  return undefined
}

/** The value of a member of the outermost object, found from the beginning of a text whose end may be missing. */
function firstMember(text: Buffer, name: string): unknown {
  const members = new Members()
  members.open(text, skipSpace(text, 0, text.length))
  while (members.next()) if (members.isNamed(name)) return parsed(text.subarray(members.start, members.end))
  return undefined
}

function followsSeparator(text: Buffer, at: number): boolean {
  let before = at - 1
  while (text[before] === 0x20 || text[before] === 0x0a || text[before] === 0x0d || text[before] === 0x09) before--
  return text[before] === 0x2c || text[before] === 0x7b
}

/** Native generation for a batch, and SGLang's reranking: a list whose items each have a `meta_info`. */
function countsOfList(text: Buffer): Counts {
  const list = parsed(text)
  if (!Array.isArray(list) || list.length === 0) return NOTHING
  return sum(list.map(item => readCounts(isRecord(item) ? item.meta_info : null)))
}

function readCohere(units: unknown): Counts {
  if (!isRecord(units)) return NOTHING
  return readCounts({ input_tokens: Number(units.input_tokens ?? 0) + Number(units.image_tokens ?? 0) })
}

/** JSON, or undefined for what is none. */
export function parsed(text: Buffer | string): unknown {
  try {
    return JSON.parse(text.toString())
  } catch {
    return undefined
  }
}
