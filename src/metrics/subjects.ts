import { createHmac } from 'node:crypto'
import type { Exchange, Identity } from '../exchange.ts'
import type { Ms, NowMs } from '../time.ts'
import type { Families } from './families.ts'
import type { Names } from './names.ts'
import type { MetricsOptions, Threshold } from './options.ts'
import { type Entry, SpaceSaving, sureOf } from './space-saving.ts'

const MINUTE_MS: Ms = 60_000

/**
 * So many subjects of a minute are known each by itself; among more, those with the most stay. It bounds what the counting
 * holds, 4 MB where they are UUIDs, and the work at the end of a minute, a few milliseconds.
 */
export const MAX_SUBJECTS = 10_000

/** As many as may be configured. */
const MAX_TOP = 200

/** A subject is over a threshold. */
export interface Crossing {
  readonly threshold: string
  readonly measure: 'requests_per_minute' | 'tokens_per_minute'
  readonly limit: number
  /** What it has come to, at least. */
  readonly value: number
  /** When the minute began. */
  readonly minuteAtMs: Ms
  readonly atMs: Ms
  readonly iss: string
  readonly sub: string
  /** What the subject is called where it may not be named. */
  readonly shown: string
  readonly team: string | null
  /** The request by which it crossed. */
  readonly requestId: string
}

interface Subject {
  readonly sub: string
  /** As a label. */
  readonly team: string
}

interface Counts {
  readonly requests: SpaceSaving<Subject>
  readonly tokens: SpaceSaving<Subject>
}

/** A minute that is over. */
interface Sealed {
  readonly minute: number
  readonly requests: readonly Entry<Subject>[]
  readonly tokens: readonly Entry<Subject>[]
  readonly activeByTeam: ReadonlyMap<string, number>
}

/** Who calls how often. */
export interface Subjects {
  /** A step of the way out. */
  observe(exchange: Exchange): void
  /** Tells of the last minute that is over. */
  read(): void
}

/**
 * Counts what each subject does in each minute of the clock, in bounded memory however many there are. Every request with a
 * good token counts, refused ones too, in the minute in which it ends.
 *
 * A subject crosses a threshold once in a minute. It could cross twice only after it was forgotten in between, which takes
 * more than 10,000 subjects, and 10,000 times what the threshold says, in that minute.
 */
export function createSubjects(init: {
  readonly families: Families
  readonly teams: Pick<Names, 'label'>
  readonly nowMs: NowMs
  readonly options: () => MetricsOptions
  readonly onCrossing: (crossing: Crossing) => void
}): Subjects {
  const { families, teams, nowMs, options, onCrossing } = init
  const topRequests = families.of('tollgate_top_subject_requests_per_minute')
  const topTokens = families.of('tollgate_top_subject_tokens_per_minute')
  const distribution = families.of('tollgate_subject_requests_per_minute')
  const active = families.of('tollgate_active_subjects')
  const exceeded = families.of('tollgate_subject_threshold_exceeded_total')
  let minute = minuteOf(nowMs())
  let counts = nothing()
  let sealed: Sealed | null = null

  /** When the clock is set back, a minute begins anew: it would else last until the clock is where it was. */
  function roll(now: Ms): void {
    if (minuteOf(now) === minute) return
    const { requests, tokens } = counts
    const activeByTeam = new Map<string, number>()
    for (const entry of requests.entries()) {
      const { team } = entry.item
      activeByTeam.set(team, (activeByTeam.get(team) ?? 0) + 1)
      distribution.at(team).observe(sureOf(entry))
    }
    sealed = { minute, requests: requests.top(MAX_TOP), tokens: tokens.top(MAX_TOP), activeByTeam }
    minute = minuteOf(now)
    counts = nothing()
  }

  function judge(threshold: Threshold, used: Used, exchange: Exchange, identity: Identity): void {
    const { requestsPerMinute, tokensPerMinute } = threshold
    if (used.requestsBefore > requestsPerMinute || used.tokensBefore > tokensPerMinute) return
    const isRequests = used.requests > requestsPerMinute
    if (!isRequests && used.tokens <= tokensPerMinute) return
    exceeded.at(teams.label(identity.team), threshold.name).value++
    onCrossing({
      threshold: threshold.name,
      measure: isRequests ? 'requests_per_minute' : 'tokens_per_minute',
      limit: isRequests ? requestsPerMinute : tokensPerMinute,
      value: isRequests ? used.requests : used.tokens,
      minuteAtMs: minute * MINUTE_MS,
      atMs: exchange.endedAtMs ?? nowMs(),
      iss: identity.iss,
      sub: identity.sub,
      shown: shownAs(identity.sub, options().subjectKey),
      team: identity.team,
      requestId: exchange.id
    })
  }

  function show(family: typeof topRequests | typeof topTokens, top: readonly Entry<Subject>[]): void {
    family.clear()
    const { topSubjects, subjectKey } = options()
    for (const entry of top.slice(0, topSubjects)) {
      const row = family.at(shownAs(entry.item.sub, subjectKey), entry.item.team)
      // Two issuers may call two people the same: the one who does more is shown, not a third who does what both do.
      row.value = Math.max(row.value, sureOf(entry))
    }
  }

  return {
    observe(exchange) {
      const { identity } = exchange.known
      if (identity === undefined) return
      roll(nowMs())
      const team = teams.label(identity.team)
      // None of the three has a line break, which a label or a claim may not have (`authenticate/claims.ts`).
      const key = `${identity.iss}\n${team}\n${identity.sub}`
      const subject = () => ({ sub: identity.sub, team })
      const weight = tokensOf(exchange)
      const requests = sureOf(counts.requests.add(key, 1, subject))
      const entry = weight > 0 ? counts.tokens.add(key, weight, subject) : counts.tokens.find(key)
      const { perUser } = options()
      if (perUser.length === 0) return
      const tokens = entry === undefined ? 0 : sureOf(entry)
      const used = { requests, requestsBefore: requests - 1, tokens, tokensBefore: tokens - weight }
      for (const threshold of perUser) judge(threshold, used, exchange, identity)
    },
    read() {
      const now = nowMs()
      roll(now)
      const last = sealed?.minute === minuteOf(now) - 1 ? sealed : null
      show(topRequests, last?.requests ?? [])
      show(topTokens, last?.tokens ?? [])
      active.clear()
      for (const [team, count] of last?.activeByTeam ?? []) active.at(team).value = count
    }
  }
}

/** What a subject has come to in this minute, with this request and before it. */
interface Used {
  readonly requests: number
  readonly requestsBefore: number
  readonly tokens: number
  readonly tokensBefore: number
}

function nothing(): Counts {
  return { requests: new SpaceSaving(MAX_SUBJECTS), tokens: new SpaceSaving(MAX_SUBJECTS) }
}

function minuteOf(now: Ms): number {
  return Math.floor(now / MINUTE_MS)
}

function tokensOf({ usage }: Exchange): number {
  return (usage?.inputTokens ?? 0) + (usage?.outputTokens ?? 0)
}

/** What a subject is called where it may not be named. 64 bits tell some thousand apart, and fit in a label. */
export function shownAs(sub: string, key: string | null): string {
  // Half a character has no bytes of its own: two subjects could look the same to whoever reads them.
  return key === null ? sub.toWellFormed() : createHmac('sha256', key).update(sub).digest('hex').slice(0, 16)
}
