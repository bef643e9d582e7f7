import type { Ms } from '../time.ts'

/** Pauses of one target are remembered up to this number, the last ones. */
const MAX_PAUSES = 256
/** No pause is longer, whatever an engine asks for: by then one call finds out. */
const MAX_PAUSE_MS: Ms = 30_000

/** Which calls an answer was about. */
export interface PausedCalls {
  readonly team: string
  /** Null for calls without one. */
  readonly model: string | null
}

/**
 * How long one target has asked for no more calls (429 or 503 with `Retry-After`): for the model and the team of the call that
 * was told so, because limits are those of a model or of what one call asks for. For all teams once two were told so.
 */
export class Pauses {
  readonly #untilMs = new Map<string, Ms>()
  readonly #all = new Map<string, Ms>()
  #lastMs: Ms = 0

  /** @returns for how long, or null when that was known */
  add(calls: PausedCalls, nowMs: Ms, forMs: Ms): Ms | null {
    const isKnown = this.until(calls, nowMs) > 0
    const untilMs = nowMs + Math.min(forMs, MAX_PAUSE_MS)
    const model = modelOf(calls)
    const isSaidToOthers = [...this.#untilMs].some(
      ([key, ms]) => ms > nowMs && key.startsWith(model) && key !== keyOf(calls)
    )
    put(this.#untilMs, keyOf(calls), untilMs)
    if (isSaidToOthers) put(this.#all, model, untilMs)
    this.#lastMs = Math.max(this.#lastMs, untilMs)
    return isKnown ? null : untilMs - nowMs
  }

  /** Until when such calls should go elsewhere, or 0. */
  until(calls: PausedCalls, nowMs: Ms): Ms {
    if (nowMs >= this.#lastMs) return 0
    const untilMs = Math.max(this.#untilMs.get(keyOf(calls)) ?? 0, this.#all.get(modelOf(calls)) ?? 0)
    return nowMs < untilMs ? untilMs : 0
  }

  /** Until when the last of all pauses goes on, or 0. */
  lastUntil(nowMs: Ms): Ms {
    return nowMs < this.#lastMs ? this.#lastMs : 0
  }

  /** Such a call was served. */
  end(calls: PausedCalls): void {
    if (this.#lastMs === 0) return
    this.#untilMs.delete(keyOf(calls))
    this.#all.delete(modelOf(calls))
    if (this.#untilMs.size === 0) this.#lastMs = 0
  }
}

function put(map: Map<string, Ms>, key: string, untilMs: Ms): void {
  map.delete(key)
  map.set(key, untilMs)
  const [oldest] = map.keys()
  if (oldest !== undefined && map.size > MAX_PAUSES) map.delete(oldest)
}

function modelOf({ model }: PausedCalls): string {
  return `${model ?? ''}\0`
}

function keyOf(calls: PausedCalls): string {
  return modelOf(calls) + calls.team
}
