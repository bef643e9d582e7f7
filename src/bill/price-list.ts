import { readDays, Zone } from './calendar.ts'
import {
  type Atoms,
  costOfRequests,
  costOfSound,
  costOfTokens,
  type Millionths,
  type Nano,
  readDiscount,
  readNano,
  WHOLE
} from './money.ts'
import type { PriceFile } from './options.ts'
import type { Key, Quarter, Sums } from './records.ts'

/** What some records cost. */
export interface Cost {
  readonly atoms: Atoms
  /** Requests that an engine took and that no price is for. Their part of `atoms` is 0, and that is not what they cost. */
  readonly unpriced: bigint
  /** Requests whose price is by a number that nobody has said. */
  readonly untold: bigint
}

/** Whom a price or a discount is for, and when. */
interface Rule {
  readonly model: string
  readonly op: string
  readonly team: string
  /** The first quarter, and the one after the last. */
  readonly from: Quarter
  readonly to: Quarter
}

interface Price extends Rule {
  readonly input: Nano | null
  readonly cached: Nano | null
  readonly output: Nano | null
  readonly sound: Nano | null
  readonly request: Nano | null
}

interface Discount extends Rule {
  readonly pay: Millionths
}

/**
 * Prices by model, operation, team and time. The first price that matches is the price, the first discount that matches the
 * discount. What a price does not name is not charged.
 */
export class PriceList {
  readonly currency: string
  /** Quarters in which some price or discount begins or ends: what is between two of them has one price. */
  readonly edges: readonly Quarter[]
  readonly #prices: readonly Price[]
  readonly #discounts: readonly Discount[]

  constructor({ currency, time_zone, prices, discounts }: PriceFile) {
    const zone = new Zone(time_zone)
    this.currency = currency
    this.#prices = prices.map(({ match, from, to, per_million: million, per_audio_minute, per_request }) => ({
      ...ruleOf({ ...match, from, to }, zone),
      input: nanoOf(million?.input),
      cached: nanoOf(million?.cached_input),
      output: nanoOf(million?.output),
      sound: nanoOf(per_audio_minute),
      request: nanoOf(per_request)
    }))
    this.#discounts = discounts.map(({ percent, ...rule }) => ({
      ...ruleOf(rule, zone),
      pay: readDiscount(String(percent))
    }))
    const edges = [...this.#prices, ...this.#discounts].flatMap(({ from, to }) => [from, to])
    this.edges = [...new Set(edges.filter(Number.isFinite))].sort((a, b) => a - b)
  }

  /** @param at the beginning of the time that the records are of, in which no edge is */
  cost(key: Pick<Key, 'model' | 'op' | 'team'>, at: Quarter, sums: Sums<bigint>): Cost {
    const billable = sums.requests - sums.rejected
    const price = this.#prices.find(rule => applies(rule, key, at))
    if (price === undefined) return { atoms: 0n, unpriced: billable, untold: sums.untold }
    const pay = this.#discounts.find(rule => applies(rule, key, at))?.pay ?? WHOLE
    const { input, cached, output, sound, request } = price
    // A price for what was found in a cache, and none for the rest, is a price for that alone.
    const fresh = cached === null ? sums.input : sums.input - sums.cached
    const atoms =
      costOfTokens(fresh, input ?? 0n, pay) +
      costOfTokens(sums.cached, cached ?? 0n, pay) +
      costOfTokens(sums.output, output ?? 0n, pay) +
      costOfSound(sums.audio_ms, sound ?? 0n, pay) +
      costOfRequests(billable, request ?? 0n, pay)
    const isByTokens = input !== null || cached !== null || output !== null
    const untold = isByTokens ? (sound === null ? sums.tokenless : sums.untold) : sums.soundless
    return { atoms, unpriced: 0n, untold: request === null ? untold : 0n }
  }
}

type Texts = { readonly [name in 'model' | 'op' | 'team' | 'from' | 'to']?: string | undefined }

function ruleOf({ model = '*', op = '*', team = '*', from, to }: Texts, zone: Zone): Rule {
  const first = from === undefined ? undefined : readDays(from)?.first
  const last = to === undefined ? undefined : readDays(to)?.last
  return {
    model,
    op,
    team,
    from: first === undefined ? Number.NEGATIVE_INFINITY : zone.startOf(first),
    to: last === undefined ? Number.POSITIVE_INFINITY : zone.startOf(last + 1)
  }
}

function applies({ model, op, team, from, to }: Rule, key: Pick<Key, 'model' | 'op' | 'team'>, at: Quarter): boolean {
  return from <= at && at < to && matches(model, key.model) && matches(op, key.op) && matches(team, key.team)
}

function nanoOf(text: string | undefined): Nano | null {
  return text === undefined ? null : readNano(text)
}

/** Whether a text is like a pattern, in which `*` stands for anything. */
export function matches(pattern: string, text: string): boolean {
  const [head = '', ...rest] = pattern.split('*')
  if (!text.startsWith(head)) return false
  const tail = rest.pop()
  if (tail === undefined) return text === head
  let at = head.length
  for (const part of rest) {
    const found = text.indexOf(part, at)
    if (found === -1) return false
    at = found + part.length
  }
  return text.length - tail.length >= at && text.endsWith(tail)
}
