import type { Cors } from './accept/cors.ts'
import type { Verifier } from './authenticate/verifier.ts'
import type { Policy } from './authorize/policy.ts'
import { GateError } from './errors.ts'
import { Exchange, type ExchangeInit } from './exchange.ts'
import type { ClientResolver } from './identify/client-ip.ts'
import type { Inspection } from './inspect/plugin.ts'
import type { Limiter } from './limit/limiter.ts'
import type { RouteTable } from './route/table.ts'
import type { Shaper } from './shape/shaper.ts'

/** What the rooms decide by: everything that follows from the configuration and may change while the gate runs. */
export interface Rules {
  /** Accepted Host names; empty accepts every valid one. */
  readonly names: ReadonlySet<string>
  readonly cors: Cors | null
  readonly resolveClient: ClientResolver
  readonly verifier: Pick<Verifier, 'verify' | 'hasVerified' | 'recheck'>
  readonly inspection: Inspection
  readonly policy: Policy
  readonly limiter: Limiter
  readonly table: RouteTable
  readonly shaper: Shaper
  /** Hash of the configuration that they follow from. */
  readonly config: string
}

/** An exchange that keeps the rules that it began under: a reload changes nothing for a request that is running. */
export class PinnedExchange extends Exchange {
  readonly rules: Rules

  constructor(init: ExchangeInit, rules: Rules) {
    super(init)
    this.rules = rules
  }
}

/** The rules of an exchange. @throws TOLLGATE_STAGE_ORDER when it was not opened by `accept` */
export function rulesOf(exchange: Exchange): Rules {
  if (exchange instanceof PinnedExchange) return exchange.rules
  throw new GateError('TOLLGATE_STAGE_ORDER', { product: 'rules' })
}
