import type { Client, Exchange, Identity } from '../exchange.ts'
import { inNetworks } from '../networks.ts'
import type { Ms, NowMs } from '../time.ts'
import type { Action, Kind, KindOptions, SuspectOptions } from './options.ts'
import { type By, RULES, type Rule } from './rules.ts'
import { Surges } from './surges.ts'
import { Throttles } from './throttles.ts'
import { digestOf, Windows } from './windows.ts'

/** A rule has fired. */
export interface Suspected {
  readonly kind: Kind
  readonly action: Exclude<Action, 'off'>
  readonly by: By
  /** What it has come to; how many times the average for `rate_anomaly`. */
  readonly value: number
  readonly withinMs: Ms
  readonly atMs: Ms
  readonly client: Client
  /** Null for behaviour of an address that is nobody's in particular. */
  readonly identity: Identity | null
  /** The request by which it fired. */
  readonly requestId: string
}

/** Watches what callers do, and refuses whom rules have throttled. */
export interface Suspicion {
  /** A step of the way out. */
  observe(exchange: Exchange): void
  /** Asked when the address is known. @throws TOLLGATE_SUSPECT_THROTTLED */
  checkAddress(exchange: Exchange): void
  /** Asked when the subject is known. @throws TOLLGATE_SUSPECT_THROTTLED */
  checkCaller(exchange: Exchange): void
  /** What was counted so far stays. */
  follow(options: SuspectOptions): void
}

/** Who is throttled is known by one name: nobody is to be taken for another by calling himself so. */
const PREFIX: Readonly<Record<By, string>> = { address: 'a ', subject: 's ', token: 't ' }

/**
 * Makes what watches. Everything it knows is of this gate alone, in bounded memory.
 * @param onSuspected told when a rule fires, once for a key and a window
 * @param impose bans an address; never one of a trusted proxy, nor one that is excepted
 */
export function createSuspicion(
  first: SuspectOptions,
  init: {
    readonly nowMs: NowMs
    readonly onSuspected: (suspected: Suspected) => void
    readonly impose: (client: Client, of: { readonly reason: string; readonly forMs: Ms }) => void
  }
): Suspicion {
  const { nowMs, onSuspected, impose } = init
  const windows = RULES.map(rule => ({ rule, counted: new Windows() }))
  const surges = new Surges()
  const callers = new Throttles()
  const addresses = new Throttles()
  let options = first
  let isExcepted = inNetworks(first.except)

  function observeRule(rule: Rule, counted: Windows, exchange: Exchange, keys: Keys, now: Ms): void {
    const of = options.kinds[rule.kind]
    const key = of.action === 'off' ? null : keys[rule.by]
    if (key === null) return
    const weight = rule.weigh(exchange, of)
    if (weight === null) return
    const value = rule.value === undefined ? null : digestOf(rule.value(exchange))
    const { withinMs } = of
    // What is throttled or banned is counted anew when that is over, or it would be free until the window ends.
    const restMs = of.action === 'log' ? withinMs : of.forMs
    const sum = counted.add(key, now, { weight, value, withinMs, restMs, isOver: rule.isOver(of) })
    if (sum === null) return
    // One thing is told of once, though two rules see it.
    for (const other of windows) if (other.rule.kind === rule.kind) other.counted.rest(key, now, restMs)
    fire(rule.kind, rule.by, key, sum, of, exchange, now)
  }

  function observeSurge(exchange: Exchange, key: string | null, now: Ms): void {
    const of = options.kinds.rate_anomaly
    if (key === null || of.action === 'off') return
    const { usage } = exchange
    const tokens = usage === null ? 0 : (usage.inputTokens ?? 0) + (usage.outputTokens ?? 0)
    const { withinMs, ratio, after } = of
    const times = surges.add(key, now, tokens, { withinMs, ratio, requests: after, tokens: of.tokens })
    if (times !== null) fire('rate_anomaly', 'subject', key, Math.floor(times), of, exchange, now)
  }

  function fire(kind: Kind, by: By, key: string, value: number, of: KindOptions, exchange: Exchange, now: Ms): void {
    const { client } = exchange
    const mayNotBe = isExcepted(client.ip)
    if (by === 'address' && mayNotBe) return
    const { action, withinMs, forMs } = of
    if (action === 'off') return
    if (action === 'throttle') {
      const throttles = by === 'address' ? addresses : callers
      throttles.add(PREFIX[by] + key, { kind, untilMs: now + forMs })
    }
    // A proxy's own address is nobody's, and everybody's behind it.
    if (action === 'ban' && !client.isProxy && !mayNotBe) impose(client, { reason: kind, forMs })
    const identity = by === 'address' ? null : exchange.identity
    onSuspected({
      kind,
      action,
      by,
      value: Number.isFinite(value) ? value : 1,
      withinMs,
      atMs: now,
      client,
      identity,
      requestId: exchange.id
    })
  }

  return {
    observe(exchange) {
      const { client, identity } = exchange.known
      // What never came as far, and what is refused here: the one has no address, the other has been told of.
      if (client === undefined || exchange.failure?.code === 'TOLLGATE_SUSPECT_THROTTLED') return
      const now = nowMs()
      const keys: Keys = {
        address: client.isProxy ? null : client.key,
        subject: identity === undefined ? null : subjectOf(identity),
        token: identity?.fingerprint ?? null
      }
      for (const { rule, counted } of windows) observeRule(rule, counted, exchange, keys, now)
      observeSurge(exchange, keys.subject, now)
    },
    checkAddress({ client }) {
      if (!addresses.isEmpty && !client.isProxy) addresses.check(PREFIX.address + client.key, nowMs())
    },
    checkCaller({ identity }) {
      if (callers.isEmpty) return
      const now = nowMs()
      callers.check(PREFIX.subject + subjectOf(identity), now)
      callers.check(PREFIX.token + identity.fingerprint, now)
    },
    follow(next) {
      options = next
      isExcepted = inNetworks(next.except)
      // Whoever softens a rule wants those let in whom it has refused.
      if (!Object.values(next.kinds).some(({ action }) => action === 'throttle')) {
        callers.clear()
        addresses.clear()
      }
    }
  }
}

type Keys = Readonly<Record<By, string | null>>

/** Neither has a line break, which a claim may not have. */
function subjectOf({ iss, sub }: Identity): string {
  return `${iss}\n${sub}`
}
