import { Members } from '../json-members.ts'
import type { Bytes } from '../units.ts'
import { parsed } from './body.ts'
import { isDone } from './chunks.ts'
import { contentBytes } from './content-bytes.ts'
import {
  type Counts,
  countsOfMessage,
  isRecord,
  type MessageUsage,
  NOTHING,
  readCounts,
  readMessageUsage,
  sum
} from './counts.ts'
import type { EventReader, Mend, Verdict } from './events.ts'

/** Reads events that tell their usage by themselves. Hides nothing but what an engine says of its own failure. */
abstract class TellingReader implements EventReader {
  cutFrom = 0
  cutTo = 0
  insert = ''
  isDone = false
  hasFinal = false
  hasFailed = false
  unread = 0
  protected readonly members = new Members()
  readonly #mend: Mend

  constructor(mend: Mend) {
    this.#mend = mend
  }

  /** Null where the engine tells all along. */
  contentBytes: Bytes | null = 0
  /** Their text says it all. */
  readonly bareEvents = 0

  abstract counts(): Counts
  abstract read(bytes: Buffer, start: number, limit: number): void

  event(bytes: Buffer, start: number, limit: number): Verdict {
    this.insert = ''
    if (isDone(bytes, start, limit)) {
      this.isDone = true
      return 'pass'
    }
    // Few events have the word, and fewer as a member.
    const failure = bytes.subarray(start, limit).includes(ERROR) ? this.#failureOf(bytes, start, limit) : null
    if (failure === null) {
      this.read(bytes, start, limit)
      return 'pass'
    }
    this.hasFailed = true
    this.cutFrom = start
    this.cutTo = limit
    this.insert = failure
    return 'cut'
  }

  /** What stands in the place of an event that tells of a failure; null for any other. */
  #failureOf(bytes: Buffer, start: number, limit: number): string | null {
    const event = parsed(bytes.subarray(start, limit))
    if (!isRecord(event)) return null
    const { error, type, response } = event
    if (isSaid(error)) return this.#mend(error).text
    // The API's own event has its facts beside the type.
    if (type === 'error') return this.#mend(event).text
    if (!isRecord(response) || !isSaid(response.error)) return null
    const { code, message } = this.#mend(response.error)
    return JSON.stringify({ ...event, response: { ...response, error: { code, message } } })
  }

  /** What an event brings of the answer stands in its `delta`; the ends of answers repeat all of it, elsewhere. */
  protected countDelta(bytes: Buffer, start: number, limit: number): void {
    const at = bytes.indexOf(DELTA, start)
    if (at === -1 || at >= limit) return
    this.contentBytes = (this.contentBytes ?? 0) + contentBytes(bytes, at, limit)
  }

  /** The value of a member by its name, or undefined. */
  protected value(bytes: Buffer, start: number, limit: number, name: string): unknown {
    const { members } = this
    members.open(bytes, start, limit)
    while (members.next()) if (members.isNamed(name)) return parsed(bytes.subarray(members.start, members.end))
    return undefined
  }
}

const ERROR = Buffer.from('"error"')
const USAGE = Buffer.from('"usage"')
const DELTA = Buffer.from('"delta"')
const TERMINAL: ReadonlySet<unknown> = new Set(['response.completed', 'response.incomplete', 'response.failed'])

/** Responses: the usage stands in whichever event is the last. */
export class ResponsesReader extends TellingReader {
  #counts = NOTHING

  counts(): Counts {
    return this.#counts
  }

  read(bytes: Buffer, start: number, limit: number): void {
    this.countDelta(bytes, start, limit)
    if (!bytes.subarray(start, limit).includes(USAGE)) return
    if (!TERMINAL.has(this.value(bytes, start, limit, 'type'))) return
    const response = this.value(bytes, start, limit, 'response')
    if (!isRecord(response) || !isRecord(response.usage)) return
    this.#counts = readCounts(response.usage)
    this.hasFinal = true
  }
}

/** Anthropic's messages: the input in the first event, the output near the end, and both again where an engine repeats them. */
export class MessagesReader extends TellingReader {
  #usage: MessageUsage = {}

  counts(): Counts {
    return countsOfMessage(this.#usage)
  }

  read(bytes: Buffer, start: number, limit: number): void {
    this.countDelta(bytes, start, limit)
    if (!bytes.subarray(start, limit).includes(USAGE)) return
    const type = this.value(bytes, start, limit, 'type')
    if (type === 'message_start') {
      const message = this.value(bytes, start, limit, 'message')
      // Its output is of what has not been made yet, and an input of nothing is not known yet.
      const { input, read, written } = readMessageUsage(isRecord(message) ? message.usage : null)
      if (input || read) this.#usage = { input: input ?? null, read: read ?? null, written: written ?? null }
    } else if (type === 'message_delta') {
      const usage = this.value(bytes, start, limit, 'usage')
      if (!isRecord(usage)) return
      this.#usage = readMessageUsage(usage, this.#usage)
      this.hasFinal = true
    }
  }
}

/** Native generation: cumulative numbers in every event, for each prompt of a batch. */
export class NativeReader extends TellingReader {
  override contentBytes = null
  readonly #byIndex = new Map<number, Buffer>()

  counts(): Counts {
    const all = [...this.#byIndex.values()].map(bytes => readCounts(parsed(bytes)))
    return all.length === 0 ? NOTHING : sum(all)
  }

  read(bytes: Buffer, start: number, limit: number): void {
    const { members } = this
    let index = 0
    let meta: Buffer | null = null
    members.open(bytes, start, limit)
    while (members.next()) {
      if (members.isNamed('meta_info')) meta = bytes.subarray(members.start, members.end)
      else if (members.isNamed('index')) index = Number(bytes.toString('latin1', members.start, members.end))
    }
    if (meta === null || !Number.isInteger(index)) return
    if (this.#byIndex.has(index) || this.#byIndex.size < MAX_PROMPTS) this.#byIndex.set(index, meta)
  }
}

/** More prompts than any call may have. */
const MAX_PROMPTS = 2_048

function isSaid(error: unknown): boolean {
  return error !== undefined && error !== null
}
