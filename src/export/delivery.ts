import { setTimeout as sleep } from 'node:timers/promises'
import type { UsageEvent } from '../segments/format.ts'
import type { Ms, NowMs } from '../time.ts'
import { Backoff } from './backoff.ts'
import type { DeadLetter } from './dead-letters.ts'
import { type Sink, SinkError } from './sink.ts'

/** It was told to stop, or has tried for long enough. Nothing of the batch is known to be taken. */
export class GaveUp extends Error {}

/** What a delivery is given. */
export interface DeliveryInit {
  readonly sink: Sink
  readonly nowMs: NowMs
  readonly random: () => number
  /** Ends every wait, and every try after that. */
  readonly stop: AbortSignal
  /** From then on a try that fails is the last. */
  readonly drain: AbortSignal
  /** After so long without a success, no more is tried; infinite to try for ever. */
  readonly patienceMs: Ms
  /** Told of every try that failed. @param waitMs until the next */
  readonly onFailure: (message: string, waitMs: Ms) => void
  readonly onSuccess: () => void
}

/** So many refusals, and none that is taken, mean that the sink takes nothing, whatever it says. */
const SAMPLE = 20
/** A batch that fails so often in a row may be too large or too slow for what is between: it is halved. */
const HALVED_AFTER = 3

/** Brings batches to a sink, however often it has to be tried. */
export class Delivery {
  readonly #init: DeliveryInit
  readonly #backoff: Backoff
  #failingSinceMs: Ms | null = null

  constructor(init: DeliveryInit) {
    this.#init = init
    this.#backoff = new Backoff(init.random)
  }

  /**
   * Resolves when the sink has taken every record but those that it refuses for what they say.
   * @returns those @throws GaveUp
   */
  async deliver(events: readonly UsageEvent[]): Promise<readonly DeadLetter[]> {
    for (;;) {
      const refusal = await this.#send(events)
      if (refusal === null) return []
      if (refusal === 'halve') return await this.#halves(events)
      if (events.length <= SAMPLE || (await this.#takesAny(events))) return await this.#sift(events, refusal)
      // An endpoint that refuses whatever it gets is a wrong endpoint, and records are not given up for that.
      await this.#wait(new SinkError('unavailable', `it refuses every record: ${refusal.message}`))
    }
  }

  async #halves(events: readonly UsageEvent[]): Promise<readonly DeadLetter[]> {
    const middle = Math.ceil(events.length / 2)
    return [...(await this.deliver(events.slice(0, middle))), ...(await this.deliver(events.slice(middle)))]
  }

  /** Finds those that are refused, in a batch that was. */
  async #sift(events: readonly UsageEvent[], { message }: SinkError): Promise<readonly DeadLetter[]> {
    const [event] = events
    if (events.length === 1 && event !== undefined) return [{ event, reason: message }]
    const middle = Math.ceil(events.length / 2)
    const letters: DeadLetter[] = []
    for (const half of [events.slice(0, middle), events.slice(middle)]) {
      const refusal = await this.#send(half)
      if (refusal === 'halve') letters.push(...(await this.#halves(half)))
      else if (refusal !== null) letters.push(...(await this.#sift(half, refusal)))
    }
    return letters
  }

  /** Whether it takes one of some that stand all over a batch. */
  async #takesAny(events: readonly UsageEvent[]): Promise<boolean> {
    const step = (events.length - 1) / (SAMPLE - 1)
    for (let n = 0; n < SAMPLE; n++) {
      const one = events.slice(Math.round(n * step)).slice(0, 1)
      if ((await this.#send(one)) === null) return true
    }
    return false
  }

  /** @returns null when all are taken, else why not; or that less should be tried at once */
  async #send(events: readonly UsageEvent[]): Promise<SinkError | 'halve' | null> {
    for (let tries = 0; ; tries++) {
      if (tries >= HALVED_AFTER && events.length > 1) return 'halve'
      if (this.#init.stop.aborted) throw new GaveUp('stopped')
      try {
        await this.#init.sink.send(events)
        this.#succeeded()
        return null
      } catch (err) {
        if (!(err instanceof SinkError)) throw err
        if (err.kind === 'refused') return err
        await this.#wait(err)
      }
    }
  }

  #succeeded(): void {
    this.#backoff.succeeded()
    this.#failingSinceMs = null
    this.#init.onSuccess()
  }

  async #wait({ message, retryAfterMs }: SinkError): Promise<void> {
    const { nowMs, stop, drain, patienceMs, onFailure } = this.#init
    const now = nowMs()
    this.#failingSinceMs ??= now
    const waitMs = this.#backoff.next(retryAfterMs)
    onFailure(message, waitMs)
    if (drain.aborted || now + waitMs - this.#failingSinceMs > patienceMs) throw new GaveUp(message)
    await sleep(waitMs, undefined, { signal: AbortSignal.any([stop, drain]) }).catch(() => {
      throw new GaveUp(message)
    })
  }
}
