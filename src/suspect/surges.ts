import { LRUCache } from 'lru-cache'
import type { Ms } from '../time.ts'
import { MAX_KEYS } from './windows.ts'

const DAY_MS: Ms = 24 * 3_600_000
/** Of somebody who is hardly known nothing can be said. */
const MIN_SPANS = 12

interface Habit {
  /** Number of the span of time that is counted now. */
  span: number
  requests: number
  tokens: number
  /** What a span had on average, those of long ago weighing less. */
  usualRequests: number
  usualTokens: number
  /** How many spans are behind it since it was first seen. */
  spans: number
  hasFired: boolean
}

/** When somebody does more than is usual. */
export interface SurgeRule {
  /** Length of a span. */
  readonly withinMs: Ms
  readonly ratio: number
  /** So many requests, or tokens, are none at least. */
  readonly requests: number
  readonly tokens: number
}

/**
 * Compares what each key does in a span of the clock with what it did in those before, whose weight falls to 1/e in a day.
 * A key is judged when it has been known for twelve spans, and fires once in a span.
 */
export class Surges {
  readonly #byKey: LRUCache<string, Habit>

  constructor(max = MAX_KEYS) {
    this.#byKey = new LRUCache({ max })
  }

  get size(): number {
    return this.#byKey.size
  }

  /** @returns how many times the average it is when that has just become too much, else null */
  add(key: string, nowMs: Ms, tokens: number, rule: SurgeRule): number | null {
    const span = Math.floor(nowMs / rule.withinMs)
    let habit = this.#byKey.get(key)
    // A clock that was set back, or spans of another length, make what was learned worthless.
    if (habit === undefined || span < habit.span) {
      habit = { span, requests: 0, tokens: 0, usualRequests: 0, usualTokens: 0, spans: 0, hasFired: false }
      this.#byKey.set(key, habit)
    }
    if (span > habit.span) roll(habit, span, rule.withinMs)
    habit.requests++
    habit.tokens += tokens
    if (habit.hasFired || habit.spans < MIN_SPANS) return null
    const byRequests = habit.requests > rule.requests ? habit.requests / habit.usualRequests : 0
    const byTokens = habit.tokens > rule.tokens ? habit.tokens / habit.usualTokens : 0
    const times = Math.max(byRequests, byTokens)
    if (times <= rule.ratio) return null
    habit.hasFired = true
    return times
  }
}

function roll(habit: Habit, span: number, withinMs: Ms): void {
  const passed = span - habit.span
  const keep = Math.exp(-withinMs / DAY_MS)
  // The first span is all that is known; what follows is weighed, and the spans without anything with it.
  const first = habit.spans === 0
  const weight = first ? 1 : 1 - keep
  const idle = keep ** (passed - 1)
  habit.usualRequests = (habit.usualRequests * (1 - weight) + habit.requests * weight) * idle
  habit.usualTokens = (habit.usualTokens * (1 - weight) + habit.tokens * weight) * idle
  habit.span = span
  habit.spans += passed
  habit.requests = 0
  habit.tokens = 0
  habit.hasFired = false
}
