import { GateError, type GateErrorOptions } from '../errors.ts'
import type { Call, Client, Exchange, Identity, Reservation } from '../exchange.ts'
import type { Ms, NowMs } from '../time.ts'
import { perAnswer } from './answers.ts'
import { type Estimate, type Estimator, spentOf, weigh } from './estimate.ts'
import { durationText, type Header, rateLimitHeaders, remainingOf, resetMs, toldWaitMs } from './headers.ts'
import type { Leases } from './leases.ts'
import type { LimitOptions } from './options.ts'
import { createPolicies, type Policies, type Policy } from './policies.ts'
import type { Outcome, OwnQuotaStore, Ticket } from './quota-store.ts'
import type { Tally } from './tally.ts'

/** What was decided about a call. */
export interface Verdict {
  /** For the answer, whatever it is. */
  readonly headers: readonly Header[]
  /** Null for a call that nothing limits, and for one that is refused. */
  readonly reservation: Reservation | null
  /** Limits in shadow that would have refused it. */
  readonly shadowed: readonly string[]
  readonly error: GateError | null
}

/** What lasts while configurations come and go. */
export interface LimiterBase {
  readonly store: OwnQuotaStore
  readonly estimator: Estimator
  readonly leases: Leases
  readonly tally: Tally
  /** Told how long each call has waited for its limits, and where they are. */
  readonly onReserved: (backend: Backend, tookMs: Ms) => void
  /** Names a call as no other is named, in no other gate. */
  readonly nextId: () => string
  readonly nowMs: NowMs
}

/** Where a call's limits are: in this process, or in what gates share. */
export type Backend = 'memory' | 'redis'

/** How much of a budget is used. */
export interface BudgetUsed {
  /** `tokens_per_month`. */
  readonly budget: string
  /** 1 for all of it; more where something is owed. */
  readonly ratio: number
}

/** Who is asked about. */
export interface Subject {
  readonly identity: Identity
  readonly client: Client
}

const PASS: Verdict = { headers: [], reservation: null, shadowed: [], error: null }
/** Answered by the gate: no engine has anything to do for them. */
const FREE: ReadonlySet<string> = new Set(['models', 'model', 'limits'])

/** Decides whether a call is within its limits, by one configuration. */
export class Limiter {
  readonly #options: LimitOptions
  readonly #base: LimiterBase
  readonly #policies: Policies

  constructor(options: LimitOptions, base: LimiterBase) {
    this.#options = options
    this.#base = base
    this.#policies = createPolicies(options, base.nowMs)
  }

  /**
   * Draws from every limit that a call meets, or from none. At once where the store answers at once.
   * @throws TOLLGATE_LIMIT_SUSPENDED, TOLLGATE_LIMIT_TOO_LARGE
   * @throws (or rejects with) TOLLGATE_LIMIT_STORE when the store is away and nothing may be let through without it
   */
  admit(exchange: Exchange): Verdict | Promise<Verdict> {
    const { identity, client, call } = exchange
    if (this.#policies.isEmpty && identity.limits === undefined) return PASS
    return this.#draw(exchange, this.policiesOf({ identity, client }, call))
  }

  /**
   * Draws from the limits of a model that a running session has named, besides those that it has drawn from already.
   * @throws as `admit` does
   */
  admitModel(exchange: Exchange): Verdict | Promise<Verdict> {
    const { identity, client, call } = exchange
    const policies = this.policiesOf({ identity, client }, call)
    return this.#draw(
      exchange,
      policies.filter(({ model }) => model !== null)
    )
  }

  #draw(exchange: Exchange, policies: readonly Policy[]): Verdict | Promise<Verdict> {
    if (policies.length === 0) return PASS
    const { store, estimator, nextId, nowMs } = this.#base
    const { call, size, known } = exchange
    const of = { call, size, team: known.identity?.team ?? '' }
    const estimate = estimator.estimate(of, this.#options)
    const impossible = policies.find(
      policy => policy.resource === 'tokens' && !policy.isShadow && estimate.least > policy.amount
    )
    if (impossible !== undefined) {
      this.#base.tally.refused(impossible, [])
      throw tooLarge(impossible, estimate.least)
    }
    const { weights } = this.#options
    const tokens = Math.max(1, weigh({ input: estimate.input, cached: 0, output: estimate.output }, weights))
    const askedAtMs = performance.now()
    const decide = (outcome: Outcome<Policy>, backend: Backend) => {
      this.#base.onReserved(backend, performance.now() - askedAtMs)
      return this.#verdict(policies, outcome, estimate, nowMs())
    }
    const outcome = store.reserve(nextId(), policies, tokens)
    return outcome instanceof Promise ? outcome.then(found => decide(found, 'redis')) : decide(outcome, 'memory')
  }

  /** The limits that a call meets. @throws TOLLGATE_LIMIT_SUSPENDED */
  policiesOf({ identity, client }: Subject, call: Call): readonly Policy[] {
    if (call.operation !== 'limits' && this.#policies.isSuspended(identity)) {
      throw new GateError('TOLLGATE_LIMIT_SUSPENDED', { team: identity.team })
    }
    return FREE.has(call.operation) ? [] : this.#policies.of(identity, client, call.model)
  }

  /**
   * What is left of the limits of a caller, for himself. Of limits that several teams share only the amount is told: what is left
   * of them says what others do.
   * @param models that the caller may use
   */
  async describe({ identity, client }: Subject, models: readonly string[]): Promise<object> {
    const policies = new Set([null, ...models].flatMap(model => this.#policies.of(identity, client, model)))
    const all = [...new Map([...policies].map(policy => [policy.key, policy])).values()]
    const used = all.length === 0 ? [] : await this.#base.store.peek(all)
    const now = this.#base.nowMs()
    return {
      object: 'limits',
      team: identity.team,
      suspended: this.#policies.isSuspended(identity),
      limits: all.map((policy, i) => {
        const has = used[i] ?? 0
        const resets = resetMs(policy, has, now)
        return {
          name: policy.name,
          description: policy.words,
          model: policy.model,
          resource: policy.resource,
          limit: policy.amount,
          remaining: policy.isShared ? null : remainingOf(policy, has),
          reset: policy.isShared || resets === null ? null : durationText(resets),
          shadow: policy.isShadow
        }
      })
    }
  }

  /** How much of its budgets a team as a whole has used, as far as this gate has been told. Asks nobody. */
  budgetsOf(team: string): readonly BudgetUsed[] {
    const policies = this.#policies.budgetsOf(team)
    const used = this.#base.store.glance(policies)
    return policies.map(({ name, amount }, i) => ({
      budget: name.slice(name.indexOf('.') + 1),
      ratio: (used[i] ?? 0) / amount
    }))
  }

  #verdict(policies: readonly Policy[], outcome: Outcome<Policy>, estimate: Estimate, nowMs: Ms): Verdict {
    const { tally } = this.#base
    const headers = outcome.used === null ? [] : rateLimitHeaders(policies, outcome.used, nowMs)
    const shadowed = outcome.shadowed.map(({ name }) => name)
    const { refusal, ticket } = outcome
    if (refusal !== null) {
      tally.refused(refusal.draw, outcome.shadowed)
      const error = refusalOf(refusal.draw, refusal.waitMs)
      const retryAfterMs = String(Math.ceil(toldWaitMs(refusal.draw, refusal.waitMs)))
      return { headers: [...headers, ['retry-after-ms', retryAfterMs]], reservation: null, shadowed, error }
    }
    tally.admitted(policies, outcome.used, outcome.shadowed)
    return { headers, reservation: ticket === null ? null : this.#reservation(ticket, estimate), shadowed, error: null }
  }

  #reservation(ticket: Ticket, estimate: Estimate): Reservation {
    const { store, leases, estimator } = this.#base
    const { weights } = this.#options
    const release = leases.keep(ticket)
    let isSettled = false
    return {
      settle(exchange) {
        if (isSettled) return
        isSettled = true
        release()
        const { usage, known } = exchange
        const isTaken = wasTaken(exchange)
        const spent = { requests: isTaken ? 1 : 0, tokens: isTaken ? spentOf(usage, estimate, weights) : 0 }
        void store.settle(ticket, spent)
        const model = known.call?.model ?? null
        if (isTaken && usage?.source === 'engine_final' && model !== null) {
          estimator.learn(model, perAnswer(usage, estimate.answers))
        }
      }
    }
  }
}

/** Whether an engine took the call, or may have: who leaves before it answers has made it work all the same. */
function wasTaken({ status, failure, attempts, engineTime }: Exchange): boolean {
  if (status !== null && status < 400) return true
  return failure === null && attempts > 0 && engineTime.state !== 'connecting'
}

function refusalOf(policy: Policy, waitMs: Ms): GateError {
  const toldMs = toldWaitMs(policy, waitMs)
  const retryAfterSec = Math.max(1, Math.ceil(toldMs / 1_000))
  const said: GateErrorOptions = {
    retryAfterSec,
    message: `${policy.words} is reached. Try again in ${durationText(toldMs)}.`
  }
  const detail = { policy: policy.name, reason: policy.name, waitMs }
  if (policy.kind === 'lease') return new GateError('TOLLGATE_LIMIT_CONCURRENCY', detail, said)
  if (policy.kind === 'budget') return new GateError('TOLLGATE_LIMIT_BUDGET', detail, said)
  const code = policy.resource === 'tokens' ? 'TOLLGATE_LIMIT_TOKENS' : 'TOLLGATE_LIMIT_RATE'
  return new GateError(code, detail, said)
}

function tooLarge(policy: Policy, needs: number): GateError {
  const message = `The request needs about ${Math.ceil(needs)} tokens. ${policy.words} can never hold them.`
  return new GateError('TOLLGATE_LIMIT_TOO_LARGE', { policy: policy.name, reason: policy.name, needs }, { message })
}
