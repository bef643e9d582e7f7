import { GateError } from '../errors.ts'
import type { Exchange } from '../exchange.ts'
import type { Ledger } from './ledger.ts'
import { callData, usageData } from './record.ts'

/** What a charger is given. */
export interface ChargerInit {
  readonly ledger: Pick<Ledger, 'open' | 'charge' | 'isWell'>
  readonly onFailure: 'continue' | 'reject'
  /** What is written of calls that ended early, where the engine has not told all of it. */
  readonly onAbort: 'estimate' | 'last_reported'
  /** The same of whole answers. */
  readonly onMissing: 'estimate' | 'free'
}

/** Writes calls into the ledger: when they go to an engine, and when they have ended. */
export interface Charger {
  /** @param config hash of the rules of the exchange @throws TOLLGATE_CHARGE_UNAVAILABLE when it could not be written */
  open(exchange: Exchange, config: string): void
  /** A finalizer: writes the usage. */
  charge(exchange: Exchange, config: string): void
}

/** Answered by the gate itself, whatever becomes of them. */
const OWN: ReadonlySet<string> = new Set(['models', 'model', 'limits', 'usage'])

export function createCharger({ ledger, onFailure, onAbort, onMissing }: ChargerInit): Charger {
  return {
    open(exchange, config) {
      if (onFailure === 'reject' && !ledger.isWell) throw new GateError('TOLLGATE_CHARGE_UNAVAILABLE')
      exchange.opened = ledger.open(callData(exchange, config)) ?? 'lost'
    },
    charge(exchange, config) {
      const { opened, ending, failure } = exchange
      const rule = ending === 'answered' && failure === null ? onMissing : onAbort
      const usage = rule === 'estimate' && !exchange.isUsageOff ? exchange.usage : exchange.reported
      const wentOut = opened !== null
      if (!wentOut && !wasRefused(exchange)) return
      const { identity } = exchange.known
      ledger.charge(
        opened === 'lost' ? null : opened,
        identity?.team ?? null,
        usageData(exchange, { config, wentOut, usage })
      )
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
