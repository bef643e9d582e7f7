import type { Ms } from '../time.ts'
import { QUARTER_MS, type Quarter } from './records.ts'

/** A day of the calendar, in no time zone: days since 1970-01-01. */
export type Day = number

const DAY_MS: Ms = 86_400_000
const QUARTERS_OF_DAY = DAY_MS / QUARTER_MS
/** No zone is further from UTC. */
const FAR = 15 * 4

const TEXT = /^(\d{4})-(\d{2})(?:-(\d{2}))?$/

/** Days of a text such as `2026-11-01`, or `2026-11` for all of its days; null when there is no such day. */
export function readDays(text: string): { readonly first: Day; readonly last: Day } | null {
  const [, year = '', month = '', day] = TEXT.exec(text) ?? []
  const first = dayOf(Number(year), Number(month), Number(day ?? '1'))
  if (year < '1970' || dayText(first) !== `${year}-${month}-${day ?? '01'}`) return null
  return { first, last: day === undefined ? dayOf(Number(year), Number(month) + 1, 1) - 1 : first }
}

/** `2026-11-01` */
export function dayText(day: Day): string {
  return Number.isFinite(day) ? new Date(day * DAY_MS).toISOString().slice(0, 10) : ''
}

/** `2026-11` */
export function monthText(day: Day): string {
  return dayText(day).slice(0, 7)
}

/** The first day of the month. */
export function monthOf(day: Day): Day {
  return readDays(monthText(day))?.first ?? day
}

/** The first day of the next month. */
export function nextMonth(day: Day): Day {
  return (readDays(monthText(day))?.last ?? day) + 1
}

function dayOf(year: number, month: number, day: number): Day {
  return Date.UTC(year, month - 1, day) / DAY_MS
}

/** The days of a time zone, with whatever its clocks do. */
export class Zone {
  readonly name: string
  readonly #format: Intl.DateTimeFormat
  readonly #starts = new Map<Day, Quarter>()

  /** @param name of the IANA database, such as `Europe/Berlin`, or an offset such as `+05:30` @throws RangeError when there is none */
  constructor(name: string) {
    this.#format = new Intl.DateTimeFormat('en-US-u-ca-gregory-nu-latn', {
      timeZone: name,
      year: 'numeric',
      month: '2-digit',
      day: '2-digit'
    })
    this.name = name
  }

  /** Which day it is there at a moment. */
  dayAt(ms: Ms): Day {
    const parts = new Map(this.#format.formatToParts(ms).map(({ type, value }) => [type, Number(value)]))
    return dayOf(parts.get('year') ?? 0, parts.get('month') ?? 0, parts.get('day') ?? 0)
  }

  /** When a day begins there: midnight, or the first moment after it where the clocks leave it out. */
  startOf(day: Day): Quarter {
    const known = this.#starts.get(day)
    if (known !== undefined) return known
    let before = day * QUARTERS_OF_DAY - FAR
    let start = day * QUARTERS_OF_DAY + FAR
    while (start - before > 1) {
      const middle = Math.floor((before + start) / 2)
      if (this.dayAt(middle * QUARTER_MS) >= day) start = middle
      else before = middle
    }
    this.#starts.set(day, start)
    return start
  }
}

/** Names that a zone may have, for whoever wrote another. */
export function zoneNames(): readonly string[] {
  return ['UTC', ...Intl.supportedValuesOf('timeZone')]
}
