import type { Ms } from '../time.ts'

/** How long a budget lasts. */
export type Period = 'day' | 'month'

/** Says when the day or the month of a place ends. */
export class Calendar {
  readonly #clocks = new Map<string, Intl.DateTimeFormat>()
  readonly #ends = new Map<string, { readonly fromMs: Ms; readonly endMs: Ms }>()

  /** @param tz of the IANA database, such as `Europe/Berlin` @returns the first moment of the next day or month there */
  endOf(period: Period, tz: string, nowMs: Ms): Ms {
    const name = `${period} ${tz}`
    const known = this.#ends.get(name)
    if (known !== undefined && known.fromMs <= nowMs && nowMs < known.endMs) return known.endMs
    const endMs = this.#find(period, tz, nowMs)
    this.#ends.set(name, { fromMs: nowMs, endMs })
    return endMs
  }

  #find(period: Period, tz: string, nowMs: Ms): Ms {
    const { year, month, day } = this.#dateAt(nowMs, tz)
    const local = period === 'day' ? Date.UTC(year, month - 1, day + 1) : Date.UTC(year, month, 1)
    // Clocks may be put forward or back before then: what the place is ahead by is asked of the moment itself. Where that
    // midnight does not exist, the two answers differ, and the later one is the first moment of the day.
    const near = local - this.#aheadMs(local - this.#aheadMs(local, tz), tz)
    return Math.max(near, local - this.#aheadMs(near, tz))
  }

  #aheadMs(atMs: Ms, tz: string): Ms {
    const { year, month, day, hour, minute, second } = this.#dateAt(atMs, tz)
    return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(atMs / 1000) * 1000
  }

  #dateAt(atMs: Ms, tz: string) {
    const found = { year: 0, month: 0, day: 0, hour: 0, minute: 0, second: 0 }
    for (const { type, value } of this.#clockOf(tz).formatToParts(atMs)) {
      if (type in found) found[type as keyof typeof found] = Number(value)
    }
    return found
  }

  #clockOf(tz: string): Intl.DateTimeFormat {
    let clock = this.#clocks.get(tz)
    if (clock === undefined) {
      clock = new Intl.DateTimeFormat('en-US', {
        timeZone: tz,
        calendar: 'gregory',
        hourCycle: 'h23',
        year: 'numeric',
        month: 'numeric',
        day: 'numeric',
        hour: 'numeric',
        minute: 'numeric',
        second: 'numeric'
      })
      this.#clocks.set(tz, clock)
    }
    return clock
  }
}
