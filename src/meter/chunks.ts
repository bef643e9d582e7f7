import type { UsageHabits } from '../engines/usage.ts'
import type { Reporting } from '../exchange.ts'
import { Members, skipSpace } from '../json-members.ts'
import type { Bytes } from '../units.ts'
import { parsed } from './body.ts'
import { contentBytes } from './content-bytes.ts'
import { type Counts, merge, NOTHING, readCounts, sum } from './counts.ts'
import type { EventReader, Mend, Verdict } from './events.ts'

/** What an engine calls itself in its chunks, where it is known, as JSON. Empty: it does not. */
export interface Fingerprint {
  get(): string | undefined
  set(text: string): void
}

/** A usage as it stands in the bytes of a stream. Read when it is wanted: most are overtaken by the next. */
interface Place {
  readonly bytes: Buffer
  readonly start: number
  readonly end: number
}

const QUOTE = 0x22
const OPEN_BRACE = 0x7b
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const LETTER_N = 0x6e
const BARE = ['"logprob":', '"token_ids":[', '"tool_calls":['].map(text => Buffer.from(text))
const FINISHED = Buffer.from('"finish_reason":"')

/**
 * Reads the chunks of chat, completions and sound: remembers the last usage, and takes out what the caller did not ask for
 * (operations.md section 1.3), so that the caller sees what the engine would have sent without having been asked for it.
 */
export class ChunkReader implements EventReader {
  cutFrom = 0
  cutTo = 0
  insert = ''
  /** The stream has said that it is at its end. */
  isDone = false
  hasFailed = false
  /** Events whose data is neither an object nor the end. */
  unread = 0
  readonly #hides: boolean
  readonly #mend: Mend
  readonly #reporting: Reporting
  readonly #habits: UsageHabits
  readonly #nullIn: Buffer | null
  readonly #fingerprint: Fingerprint
  readonly #members = new Members()
  /** Usage of the whole call. */
  #final: Place | null = null
  /** Usage so far: of the call, or of each choice. */
  #partial: Place | null = null
  readonly #byChoice: Map<number, Place> | null
  /** -1 as soon as the engine tells of itself how much it is: then nobody has to guess. */
  #contentBytes = 0
  readonly #isSample: boolean
  /** Events with a token of which nothing is to be seen but its probability, its number, or the name of a tool. */
  bareEvents = 0

  constructor(init: {
    operation: string
    reporting: Reporting
    habits: UsageHabits
    fingerprint: Fingerprint
    mend: Mend
    /** The text is counted though the engine tells of itself how much it is. */
    isSample?: boolean
  }) {
    this.#isSample = init.isSample ?? false
    const { operation, reporting, habits, fingerprint } = init
    this.#mend = init.mend
    const nullIn = operation === 'chat' || operation === 'completions' ? habits.nullIn[operation] : undefined
    this.#reporting = reporting
    this.#habits = habits
    this.#fingerprint = fingerprint
    this.#nullIn = nullIn === undefined ? null : Buffer.from(nullIn)
    this.#hides = reporting.hidesFinal || reporting.hidesPartial
    const isMany = reporting.choices * reporting.prompts > 1
    this.#byChoice = isMany && habits.chunkCounts === 'choice' ? new Map() : null
  }

  get hasFinal(): boolean {
    return this.#final !== null
  }

  get contentBytes(): Bytes | null {
    return this.#contentBytes === -1 ? null : this.#contentBytes
  }

  counts(): Counts {
    const partial = this.#byChoice === null ? countsAt(this.#partial) : this.#sumOfChoices(this.#byChoice)
    return merge(partial, countsAt(this.#final))
  }

  event(bytes: Buffer, start: number, limit: number): Verdict {
    const members = this.#members
    this.insert = ''
    if (!members.open(bytes, start, limit)) {
      if (isDone(bytes, start, limit)) this.isDone = true
      else this.unread++
      return 'pass'
    }
    let [choicesAt, usageAt, usageEnd, cutFrom, cutTo, lastEnd, errorAt, errorEnd] = [-1, -1, -1, -1, -1, -1, -1, -1]
    let fingerprint = ''
    while (members.next()) {
      lastEnd = members.end
      // The first member takes the comma behind it along; a later one the comma before.
      if (cutTo === 0) cutTo = members.nameAt
      if (members.isNamed('choices')) choicesAt = members.start
      else if (members.isNamed('usage')) {
        usageAt = members.start
        usageEnd = members.end
        cutFrom = members.endBefore === -1 ? members.nameAt : members.endBefore
        cutTo = members.endBefore === -1 ? 0 : members.end
      } else if (members.isNamed('error') && bytes[members.start] !== LETTER_N) {
        errorAt = members.start
        errorEnd = members.end
      } else if (members.isNamed('system_fingerprint'))
        fingerprint = bytes.toString('latin1', members.start, members.end)
    }
    if (cutTo === 0) cutTo = usageEnd
    if (members.after === -1 || skipSpace(bytes, members.after, limit) !== limit) {
      this.unread++
      return 'pass'
    }
    if (errorAt !== -1) return this.#fail(bytes.subarray(errorAt, errorEnd), start, limit)
    const hasUsage = usageAt !== -1 && bytes[usageAt] === OPEN_BRACE
    if (hasUsage && isEmptyList(bytes, choicesAt))
      return this.#seeFinal({ bytes, start: usageAt, end: usageEnd }, fingerprint)
    if (hasUsage) {
      if (!this.#isSample) this.#contentBytes = -1
      this.#seePartial({ bytes, start: usageAt, end: usageEnd }, choicesAt)
    }
    // Without choices, the text of sound stands beside the rest.
    if (this.#contentBytes !== -1) this.#countText(bytes, choicesAt === -1 ? start : choicesAt, limit)
    if (!this.#hides) return 'pass'
    return this.#hide(bytes, { start, limit, choicesAt, usageAt, usageEnd, cutFrom, cutTo, lastEnd, hasUsage })
  }

  #countText(bytes: Buffer, from: number, limit: number): void {
    const more = contentBytes(bytes, from, limit)
    this.#contentBytes += more
    if (more === 0 && BARE.some(text => isWithin(bytes, text, from, limit))) this.bareEvents++
  }

  /** What an engine says of its own failure is not passed on as it is. */
  #fail(error: Buffer, start: number, limit: number): Verdict {
    this.hasFailed = true
    this.cutFrom = start
    this.cutTo = limit
    this.insert = this.#mend(parsed(error)).text
    return 'cut'
  }

  #seeFinal(place: Place, fingerprint: string): Verdict {
    this.#final = place
    if (!this.#reporting.hidesFinal) return 'pass'
    if (this.#habits.movesFingerprint) {
      const text = fingerprint === 'null' ? '' : fingerprint
      this.#fingerprint.set(text)
      if (text !== '') this.insert = `,"system_fingerprint":${text}`
    }
    return 'drop'
  }

  #seePartial(place: Place, choicesAt: number): void {
    this.#partial = place
    if (this.#byChoice === null) return
    const index = indexOfChoice(place.bytes, choicesAt)
    const { choices, prompts } = this.#reporting
    if (index >= 0 && index < choices * prompts) this.#byChoice.set(index, place)
  }

  #hide(
    bytes: Buffer,
    at: {
      start: number
      limit: number
      choicesAt: number
      usageAt: number
      usageEnd: number
      cutFrom: number
      cutTo: number
      lastEnd: number
      hasUsage: boolean
    }
  ): Verdict {
    const { hidesFinal, hidesPartial } = this.#reporting
    const nullIn = this.#nullIn
    const isCut = at.hasUsage
      ? hidesPartial
      : at.usageAt !== -1 && hidesFinal && nullIn === null && bytes[at.usageAt] === LETTER_N
    this.cutFrom = isCut ? at.cutFrom : at.lastEnd
    this.cutTo = isCut ? at.cutTo : at.lastEnd
    if (isCut && nullIn !== null && isWithin(bytes, nullIn, at.start, at.limit)) {
      this.cutFrom = at.usageAt
      this.cutTo = at.usageEnd
      this.insert = 'null'
      return 'cut'
    }
    if (hidesFinal && this.#habits.movesFingerprint && isWithin(bytes, FINISHED, at.choicesAt, at.limit)) {
      const known = this.#fingerprint.get()
      if (known !== undefined && known !== '') this.insert = `,"system_fingerprint":${known}`
      // The next event tells. Where other choices go on it does not come soon.
      else if (known === undefined && this.#reporting.choices * this.#reporting.prompts === 1) return 'park'
    }
    return isCut || this.insert !== '' ? 'cut' : 'pass'
  }

  #sumOfChoices(byChoice: ReadonlyMap<number, Place>): Counts {
    const all = [...byChoice].map(([index, place]) => ({ index, ...countsAt(place) }))
    if (all.length === 0) return NOTHING
    // The input is counted once for each prompt, whichever of its answers told of it.
    const byPrompt = new Map(all.map(counts => [Math.floor(counts.index / this.#reporting.choices), counts]))
    const { inputTokens, cachedInputTokens } = sum([...byPrompt.values()])
    return { ...sum(all), inputTokens, cachedInputTokens, audioSeconds: null }
  }
}

function countsAt(place: Place | null): Counts {
  return place === null ? NOTHING : readCounts(parsed(place.bytes.subarray(place.start, place.end)))
}

/** `[DONE]` */
export function isDone(bytes: Buffer, start: number, limit: number): boolean {
  return limit - start >= 6 && limit - start <= 8 && bytes.toString('latin1', start, limit).trim() === '[DONE]'
}

function isEmptyList(bytes: Buffer, at: number): boolean {
  return at !== -1 && bytes[at] === OPEN_BRACKET && bytes[skipSpace(bytes, at + 1, bytes.length)] === CLOSE_BRACKET
}

/** Whether a text that begins with a quote stands in bytes. For some hundred bytes a walk costs less than a search. */
function isWithin(bytes: Buffer, text: Buffer, start: number, limit: number): boolean {
  const second = text[1]
  const last = limit - text.length
  for (let at = Math.max(0, start); at <= last; at++) {
    if (bytes[at] !== QUOTE || bytes[at + 1] !== second) continue
    let i = 2
    while (i < text.length && bytes[at + i] === text[i]) i++
    if (i === text.length) return true
  }
  return false
}

/** The `index` of the first choice, or -1. */
function indexOfChoice(bytes: Buffer, choicesAt: number): number {
  const members = new Members()
  if (choicesAt === -1 || !members.open(bytes, skipSpace(bytes, choicesAt + 1, bytes.length))) return -1
  while (members.next()) {
    if (!members.isNamed('index')) continue
    const index = Number(bytes.toString('latin1', members.start, members.end))
    return Number.isInteger(index) ? index : -1
  }
  return -1
}
