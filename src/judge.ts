import { GateError } from './errors.ts'
import type { Exchange } from './exchange.ts'
import type { Judge } from './forward/session.ts'
import { readEvent } from './inspect/events.ts'
import { createModelEntry } from './limit/session.ts'
import type { Rules } from './rules.ts'
import { shapeEvent } from './shape/events.ts'

/**
 * The rooms once more, for each message of a realtime session: what is asked, may they, is it served there, is it not too
 * much, and what the engine shall read. Nothing goes on before a first event has settled the model.
 */
export function createJudge(rules: Rules, exchange: Exchange): Judge {
  const { inspection, policy, table, limiter } = rules
  const enterModel = createModelEntry(limiter, exchange)
  let isSettled = false
  return (message, refuse) => {
    const event = readEvent(message, inspection.options.aliases)
    if (event.type === 'session.update') {
      const { model, modelAsked } = event.model === null ? exchange.call : event
      if (model === null) throw new GateError('TOLLGATE_INSPECT_FIELD', { param: 'model' })
      const call = { ...exchange.call, model, modelAsked }
      policy.authorize(exchange.identity, call)
      table.check(exchange.identity, model, exchange.target)
      exchange.call = call
      enterModel(refuse)
      isSettled = true
    }
    const { model } = exchange.call
    if (!isSettled || model === null) throw new GateError('TOLLGATE_INSPECT_EVENT', { param: 'type' })
    const { bytes, removed } = shapeEvent({ ...event, model, engine: exchange.target.engine })
    if (removed.length > 0) exchange.removed = removed
    return bytes
  }
}
