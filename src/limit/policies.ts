import { createHash } from 'node:crypto'
import type { Client, Identity } from '../exchange.ts'
import type { Ms, NowMs } from '../time.ts'
import { Calendar } from './calendar.ts'
import type { LimitOptions, Limits, TeamLimits } from './options.ts'
import type { Draw } from './quota-store.ts'

/** Whom a limit is for. */
export type Scope = 'user' | 'team' | 'team_model' | 'model' | 'ip' | 'global'

/** Those that callers of several teams meet. */
const SHARED_SCOPES: ReadonlySet<Scope> = new Set(['model', 'ip', 'global'])

/** One limit that a call meets, and how it is spoken of. */
export interface Policy extends Draw {
  /** `team.tpm`, `user.tokens_per_day`: what operators and callers know it by. */
  readonly name: string
  readonly scope: Scope
  /** Of a limit for one model. */
  readonly model: string | null
  /** `Your team's limit of 100 tokens per minute`. Names nobody but the caller's own. */
  readonly words: string
}

/** Says which limits a call meets. */
export interface Policies {
  /** Whether there is any limit at all. */
  readonly isEmpty: boolean
  isSuspended(identity: Identity): boolean
  /** Empty when nothing limits the call. @param model the limits for it are left out when null */
  of(identity: Identity, client: Client, model: string | null): readonly Policy[]
  /** The budgets of a team as a whole; none for the team `*`, which is any number of them. */
  budgetsOf(team: string): readonly Policy[]
}

/** Whose limits they are: the beginning of their keys, and how they are spoken of. */
interface Place {
  readonly scope: Scope
  readonly model?: string
  readonly prefix: string
  readonly say: (limit: string) => string
}

/** What is known until a period ends. */
interface Known {
  readonly policies: readonly Policy[]
  readonly untilMs: Ms
}

const NONE: Known = { policies: [], untilMs: Number.POSITIVE_INFINITY }
const MAX_NAMES = 10_000
const PREFIX = 'tollgate:1:'
/** Of what all teams share. No team is called so. */
const SHARED = `${PREFIX}{*}:`

/** Makes the policies of a configuration. What they are for an identity or a model is made once and kept. */
export function createPolicies(options: LimitOptions, nowMs: NowMs): Policies {
  const calendar = new Calendar()
  const byIdentity = new WeakMap<Identity, Known>()
  const byName = new Map<string, Known>()
  const anyOther = options.teams.get('*')
  const limitsOfTeam = ({ team }: Identity): TeamLimits | undefined =>
    team === null ? undefined : (options.teams.get(team) ?? anyOther)

  const make = (limits: Limits | null | undefined, at: Place): Known => {
    if (limits === null || limits === undefined) return NONE
    const policies = [...policiesOf(limits, at, (per, tz) => calendar.endOf(per, tz, nowMs()))]
    const ends = policies.flatMap(({ kind, endsAtMs }) => (kind === 'budget' ? [endsAtMs] : []))
    return { policies, untilMs: Math.min(Number.POSITIVE_INFINITY, ...ends) }
  }
  /** Made once for each team and model. Teams come from issuers, so there may be any number: then all are made anew. */
  const named = (limits: Limits | undefined | null, at: Place) => {
    if (limits === undefined || limits === null) return NONE.policies
    let known = byName.get(at.prefix)
    if (known === undefined || known.untilMs <= nowMs()) {
      known = make(limits, at)
      if (byName.size >= MAX_NAMES) byName.clear()
      byName.set(at.prefix, known)
    }
    return known.policies
  }
  const ownOf = (identity: Identity): readonly Policy[] => {
    let known = byIdentity.get(identity)
    if (known === undefined || known.untilMs <= nowMs()) {
      const team = limitsOfTeam(identity)
      const prefix = `${PREFIX}{${identity.team ?? ''}}:`
      const subject = lowered(team?.subject ?? options.subject, identity.limits)
      const user = make(subject, {
        scope: 'user',
        prefix: `${prefix}u:${subjectKey(identity)}:`,
        say: limit => `Your limit of ${limit}`
      })
      const whole = make(team?.team, teamPlace(identity.team ?? ''))
      known = { policies: [...user.policies, ...whole.policies], untilMs: Math.min(user.untilMs, whole.untilMs) }
      byIdentity.set(identity, known)
    }
    return known.policies
  }

  return {
    isEmpty: isEmpty(options),
    isSuspended: identity => limitsOfTeam(identity)?.isSuspended === true,
    of(identity, client, model) {
      const own = ownOf(identity)
      // Behind a proxy that names nobody, all callers have one address.
      const ip =
        options.ip === null || client.isProxy
          ? NONE.policies
          : make(options.ip, {
              scope: 'ip',
              prefix: `${SHARED}ip:${client.key}:`,
              say: limit => `Your address's limit of ${limit}`
            }).policies
      const all = named(options.global, {
        scope: 'global',
        prefix: `${SHARED}all:`,
        say: limit => `This gate's limit of ${limit}`
      })
      if (model === null) return joined(own, ip, all)
      const { team } = identity
      const ofTeam = limitsOfTeam(identity)?.models.get(model)
      const both = named(ofTeam, {
        scope: 'team_model',
        model,
        prefix: `${PREFIX}{${team ?? ''}}:m:${model}:`,
        say: limit => `Your team's limit of ${limit} for the model '${model}'`
      })
      const whole = named(options.models.get(model), {
        scope: 'model',
        model,
        prefix: `${SHARED}m:${model}:`,
        say: limit => `The limit of ${limit} for the model '${model}'`
      })
      return joined(own, both, whole, ip, all)
    },
    budgetsOf: team =>
      team === '*'
        ? NONE.policies
        : named(options.teams.get(team)?.team, teamPlace(team)).filter(({ kind }) => kind === 'budget')
  }
}

function teamPlace(team: string): Place {
  return { scope: 'team', prefix: `${PREFIX}{${team}}:t:`, say: limit => `Your team's limit of ${limit}` }
}

function joined(...lists: readonly (readonly Policy[])[]): readonly Policy[] {
  const some = lists.filter(list => list.length > 0)
  return some.length < 2 ? (some[0] ?? NONE.policies) : some.flat()
}

function* policiesOf(
  limits: Limits,
  { scope, model = null, prefix, say }: { readonly model?: string | null } & Omit<Place, 'model'>,
  endOf: (per: 'day' | 'month', tz: string) => Ms
): Generator<Policy> {
  const { rpm, tpm, concurrent, budgets, isShadow } = limits
  const one = (
    part: string,
    words: string,
    rest: Omit<Draw, 'key' | 'isShadow' | 'isShared'>,
    only = isShadow
  ): Policy => ({
    key: prefix + part,
    ...rest,
    isShadow: only,
    isShared: SHARED_SCOPES.has(scope),
    name: `${scope}.${part}`,
    scope,
    model,
    words: say(words)
  })
  const minute = { kind: 'rate', windowMs: 60_000, endsAtMs: 0 } as const
  if (rpm !== null) yield one('rpm', `${rpm} requests per minute`, { ...minute, resource: 'requests', amount: rpm })
  if (tpm !== null) yield one('tpm', `${tpm} tokens per minute`, { ...minute, resource: 'tokens', amount: tpm })
  if (concurrent !== null) {
    const rest = { kind: 'lease', resource: 'concurrent', amount: concurrent, windowMs: 0, endsAtMs: 0 } as const
    yield one('concurrent', `${concurrent} calls at once`, rest)
  }
  for (const { tokens, requests, per, tz, isShadow: only } of budgets) {
    const period = { kind: 'budget', windowMs: 0, endsAtMs: endOf(per, tz) } as const
    for (const [resource, amount] of [['tokens', tokens] as const, ['requests', requests] as const]) {
      if (amount === null) continue
      yield one(`${resource}_per_${per}`, `${amount} ${resource} per ${per}`, { ...period, resource, amount }, only)
    }
  }
}

/** A claim may lower what the configuration says, or limit where it says nothing; it raises nothing. */
function lowered(limits: Limits | null, claimed: Identity['limits']): Limits | null {
  if (claimed === undefined || claimed === null) return limits
  const least = (name: 'rpm' | 'tpm' | 'concurrent') => {
    const [own, other] = [limits?.[name] ?? null, claimed[name] ?? null]
    if (own === null || other === null) return own ?? other
    return Math.min(own, other)
  }
  return {
    rpm: least('rpm'),
    tpm: least('tpm'),
    concurrent: least('concurrent'),
    budgets: limits?.budgets ?? [],
    isShadow: limits?.isShadow ?? false
  }
}

/** A subject is its issuer's alone. Hashed, so that it has a length, and the store no names of people. */
function subjectKey({ iss, sub }: Identity): string {
  return createHash('sha256').update(`${iss}\n${sub}`).digest('base64url').slice(0, 22)
}

function isEmpty({ subject, ip, global, teams, models }: LimitOptions): boolean {
  const hasTeam = [...teams.values()].some(
    ({ team, subject: user, models: some, isSuspended }) =>
      team !== null || user !== null || some.size > 0 || isSuspended
  )
  return subject === null && ip === null && global === null && models.size === 0 && !hasTeam
}
