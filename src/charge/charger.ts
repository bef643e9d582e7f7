import { GateError } from '../errors.ts'
import type { Exchange } from '../exchange.ts'
import type { Estimator } from './estimate.ts'
import type { Ledger } from './ledger.ts'
import { callData, usageData } from './record.ts'

/** What a charger is given. */
export interface ChargerInit {
  readonly ledger: Pick<Ledger, 'open' | 'charge' | 'isWell'>
  readonly estimator: Pick<Estimator, 'complete'>
  readonly onFailure: 'continue' | 'reject'
}

/** Writes calls into the ledger: when they go to an engine, and when they have ended. */
export interface Charger {
  /** @param config hash of the rules of the exchange @throws TOLLGATE_CHARGE_UNAVAILABLE when it could not be written */
  open(exchange: Exchange, config: string): void
  /** A step of the way out: completes the usage, and writes it. */
  charge(exchange: Exchange, config: string): void
}

/** Answered by the gate itself, whatever becomes of them. */
const OWN: ReadonlySet<string> = new Set(['models', 'model', 'limits', 'usage'])

export function createCharger({ ledger, estimator, onFailure }: ChargerInit): Charger {
  return {
    open(exchange, config) {
      if (onFailure === 'reject' && !ledger.isWell) throw new GateError('TOLLGATE_CHARGE_UNAVAILABLE')
      exchange.opened = ledger.open(callData(exchange, config)) ?? 'lost'
    },
    charge(exchange, config) {
      exchange.usage = estimator.complete(exchange)
      const { opened } = exchange
      const wentOut = opened !== null
      if (!wentOut && !wasRefused(exchange)) return
      const { identity } = exchange.known
      ledger.charge(opened === 'lost' ? null : opened, identity?.team ?? null, usageData(exchange, config, wentOut))
    }
  }
}

/** Rooms whose refusals leave no line: strangers, what nobody may ask, and what could not be written down. */
const UNADMITTED = /^TOLLGATE_(?:ACCEPT|AUTHENTICATE|INSPECT|AUTHORIZE|CHARGE)_/

/** Whether somebody who may do what was asked got no engine for it. */
function wasRefused({ known, failure }: Exchange): boolean {
  if (failure === null || known.identity === undefined || known.call === undefined) return false
  return !OWN.has(known.call.operation) && !UNADMITTED.test(failure.code)
}
