import type { IncomingHttpHeaders } from 'node:http'
import { UNCOUNTED } from '../engines/operations.ts'
import { USAGE_HABITS } from '../engines/usage.ts'
import type { Exchange, Tap, Usage } from '../exchange.ts'
import type { Bytes } from '../units.ts'
import { type BodyKind, BodyReader, parsed } from './body.ts'
import { ChunkReader, type Fingerprint } from './chunks.ts'
import { type Counts, isRecord, NOTHING, readCounts, saysAnything } from './counts.ts'
import { type EventReader, EventStream, type Mend } from './events.ts'
import { MessagesReader, NativeReader, ResponsesReader } from './typed-events.ts'

/** Operations that have no engine, beside those of which no engine counts anything. */
const OWN: ReadonlySet<string> = new Set(['models', 'model', 'limits', 'usage'])

/** What reads the events of one stream, whatever its dialect. */
interface Reader extends EventReader {
  readonly isDone: boolean
  readonly hasFinal: boolean
  readonly hasFailed: boolean
  readonly unread: number
  readonly contentBytes: Bytes | null
  readonly bareEvents: number
  counts(): Counts
}

/** The text of one answer in so many is counted though its engine tells its usage, to learn what a token is like. */
const SAMPLED = 16

/**
 * Makes the maker of taps. What it remembers of an engine is one text for each target.
 *
 * @param mend says what an engine told of its failure, for the caller of an exchange
 */
export function createTaps(
  mend: (exchange: Exchange, error: unknown) => ReturnType<Mend>
): (exchange: Exchange) => Tap | null {
  const fingerprints = new Map<string, string>()
  let count = 0
  return exchange => {
    const { operation } = exchange.call
    if (UNCOUNTED.has(operation) || OWN.has(operation)) return null
    const fingerprint = {
      get: () => fingerprints.get(exchange.target.origin),
      set: (text: string) => fingerprints.set(exchange.target.origin, text)
    }
    return new AnswerTap(exchange, {
      fingerprint,
      mend: error => mend(exchange, error),
      isSample: count++ % SAMPLED === 3
    })
  }
}

/** Sees one answer. */
class AnswerTap implements Tap {
  readonly #exchange: Exchange
  readonly #fingerprint: Fingerprint
  readonly #mend: Mend
  readonly #isSample: boolean
  #reader: Reader | null = null
  #stream: EventStream | null = null
  #body: BodyReader | null = null
  #fromHead: Counts = NOTHING
  #hasEnded = false
  /** Of what it has used, when it was asked last. */
  #saysNothing = false

  constructor(
    exchange: Exchange,
    init: { readonly fingerprint: Fingerprint; readonly mend: Mend; readonly isSample: boolean }
  ) {
    this.#exchange = exchange
    this.#fingerprint = init.fingerprint
    this.#mend = init.mend
    this.#isSample = init.isSample
  }

  head(headers: IncomingHttpHeaders, isEventStream: boolean): void {
    if (isEventStream) {
      this.#reader = this.#makeReader()
      this.#stream = new EventStream(this.#reader)
    } else if (headers['content-type']?.includes('json') === true) {
      this.#body = new BodyReader(bodyKind(this.#exchange.call.operation))
    } else {
      // vLLM's embeddings as bytes.
      const said = typeof headers.metadata === 'string' ? parsed(headers.metadata) : null
      if (isRecord(said)) this.#fromHead = readCounts(said.usage)
    }
  }

  chunk(piece: Buffer): Buffer | null {
    if (this.#stream !== null) return this.#stream.chunk(piece)
    this.#body?.chunk(piece)
    return piece
  }

  end(): Buffer | null {
    this.#hasEnded = true
    return this.#stream?.end() ?? null
  }

  usage(): Usage {
    const counts = this.#reader?.counts() ?? this.#body?.counts() ?? this.#fromHead
    this.#saysNothing = !saysAnything(counts)
    if (this.#saysNothing) return { source: 'none', ...NOTHING }
    return { source: this.#isFinal() ? 'engine_final' : 'engine_partial', ...counts }
  }

  get contentBytes(): Bytes | null {
    if (this.#reader !== null) return this.#reader.contentBytes
    // It is read through only when it says nothing of its usage, and now and then to learn from it.
    return this.#saysNothing || this.#isSample ? (this.#body?.contentBytes() ?? null) : null
  }

  get bareEvents(): number {
    return this.#reader?.bareEvents ?? 0
  }

  get unread(): number {
    return (this.#stream?.unread ?? 0) + (this.#reader?.unread ?? 0)
  }

  #isFinal(): boolean {
    const reader = this.#reader
    if (reader === null || reader.hasFinal) return true
    // Those say at their end how much it was; others have said it all along.
    if (reader instanceof MessagesReader || reader instanceof ResponsesReader) return false
    return (reader.isDone || this.#hasEnded) && !reader.hasFailed
  }

  #makeReader(): Reader {
    const { call, target, reporting } = this.#exchange
    switch (call.operation) {
      case 'responses':
        return new ResponsesReader(this.#mend)
      case 'messages':
        return new MessagesReader(this.#mend)
      case 'generate':
        return new NativeReader(this.#mend)
      default:
        return new ChunkReader({
          operation: call.operation,
          reporting: reporting ?? { ...UNASKED },
          habits: USAGE_HABITS[target.engine],
          fingerprint: this.#fingerprint,
          mend: this.#mend,
          isSample: this.#isSample
        })
    }
  }
}

const UNASKED = {
  mode: 'native',
  own: undefined,
  hidesFinal: false,
  hidesPartial: false,
  choices: 1,
  prompts: 1
} as const

function bodyKind(operation: string): BodyKind {
  if (operation === 'messages') return 'messages'
  if (operation === 'responses') return 'responses'
  return operation === 'generate' ? 'native' : 'usage'
}
