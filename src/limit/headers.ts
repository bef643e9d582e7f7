import type { Ms } from '../time.ts'
import { fullInMs } from './bucket.ts'
import type { Policy } from './policies.ts'

/** A name and a value. */
export type Header = readonly [name: string, value: string]

/** A duration as OpenAI writes it: `12ms`, `1s`, `6m0s`, `2h0m30s`. */
export function durationText(ms: Ms): string {
  if (ms < 1_000) return `${Math.max(0, Math.ceil(ms))}ms`
  const all = Math.ceil(ms / 1_000)
  const [h, m, s] = [Math.floor(all / 3_600), Math.floor(all / 60) % 60, all % 60]
  return `${h > 0 ? `${h}h` : ''}${all >= 60 ? `${m}m` : ''}${s}s`
}

/** What is left of a limit; never below zero, whatever is owed. */
export function remainingOf({ amount }: Policy, used: number): number {
  return Math.max(0, Math.floor(amount - used + 1e-6))
}

/**
 * When a caller may come again after a refusal. Of a limit that several teams share it is told in steps that double, from a
 * second on: the exact time would say how much the others have used.
 */
export function toldWaitMs({ isShared, kind }: Policy, waitMs: Ms): Ms {
  if (!isShared || kind !== 'rate') return waitMs
  let told = 1_000
  while (told < waitMs) told *= 2
  return told
}

/** When the whole of a limit is there again, if nobody draws; null for calls at once, which only their end gives back. */
export function resetMs(policy: Policy, used: number, nowMs: Ms): Ms | null {
  if (policy.kind === 'lease') return null
  return policy.kind === 'budget' ? Math.max(0, policy.endsAtMs - nowMs) : fullInMs(used, policy)
}

/**
 * `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`, each of the limit of which the least is left. Limits in shadow are
 * not told of, nor those that several teams share: what is left of them says what others do.
 * @param used of each policy, in their order
 */
export function rateLimitHeaders(policies: readonly Policy[], used: readonly number[], nowMs: Ms): readonly Header[] {
  return ['requests', 'tokens'].flatMap((resource): readonly Header[] => {
    let tightest = -1
    let least = Number.POSITIVE_INFINITY
    for (const [i, policy] of policies.entries()) {
      if (policy.resource !== resource || policy.isShadow || policy.isShared) continue
      const left = remainingOf(policy, used[i] ?? 0)
      if (left >= least) continue
      least = left
      tightest = i
    }
    const policy = policies[tightest]
    if (policy === undefined) return []
    return [
      [`x-ratelimit-limit-${resource}`, String(policy.amount)],
      [`x-ratelimit-remaining-${resource}`, String(least)],
      [`x-ratelimit-reset-${resource}`, durationText(resetMs(policy, used[tightest] ?? 0, nowMs) ?? 0)]
    ]
  })
}
