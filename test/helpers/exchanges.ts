import type { Engine } from '../../src/engines/table.ts'
import { Exchange, type Reporting } from '../../src/exchange.ts'

/** An exchange on its way to an engine. */
export function exchangeTo(init: {
  readonly engine: Engine
  readonly operation: string
  readonly isStream?: boolean
  readonly reporting?: Reporting | null
  readonly origin?: string
}): Exchange {
  const { engine, operation, isStream = true, reporting = null, origin = 'http://e' } = init
  const exchange = new Exchange({ id: 'r-1', startedAtMs: 0, method: 'POST', path: '/x' })
  exchange.call = {
    operation,
    method: 'POST',
    path: '/x',
    kind: 'text',
    routeScope: null,
    routePool: null,
    model: 'm',
    modelAsked: 'm',
    isStream
  }
  exchange.target = { pool: 'p', engine, origin }
  exchange.reporting = reporting
  return exchange
}

/** Usage is read, nothing is hidden. */
export const NATIVE: Reporting = {
  mode: 'native',
  own: undefined,
  hidesFinal: false,
  hidesPartial: false,
  choices: 1,
  prompts: 1
}

/** Errors of an engine in words that a test can tell from its own. */
export const MEND = () => ({ text: '{"error":{"message":"mended"}}', code: 'mended', message: 'mended' })
