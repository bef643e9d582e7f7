import type { OverloadGuard } from './accept/overload.ts'
import type { Check } from './admin/app.ts'
import type { KeySet } from './authenticate/keys.ts'
import type { RevocationStatus } from './authenticate/revocations.ts'
import type { SinkStatus } from './export/shipping.ts'
import type { BodyBudget } from './inspect/body-budget.ts'
import type { SharedStatus } from './limit/quota-store-shared.ts'
import type { LineWriterStatus } from './line-writer.ts'
import type { Pool } from './route/pool.ts'
import type { StoreStatus } from './store/health.ts'
import type { Ms } from './time.ts'

/** Keys that never came: nobody's token can be verified. */
export function keysCheck(set: Pick<KeySet, 'status'>): Check {
  const { name, ready, ageMs, lastError, kids } = set.status()
  return { name: `keys of ${name}`, ok: ready, detail: { ageMs, lastError, kids } }
}

/** What is lost of a log is lost whether calls come or not. */
export function logsCheck(logs: { readonly operator: LineWriterStatus; readonly audit: LineWriterStatus }): Check {
  return { name: 'logs', ok: true, detail: { ...logs } }
}

/** Not being ready would move the load to gates that have as much to do. */
export function loadCheck(
  { level, reading, memoryBytes }: Pick<OverloadGuard, 'level' | 'reading' | 'memoryBytes'>,
  { heldBytes, limitBytes }: Pick<BodyBudget, 'heldBytes' | 'limitBytes'>
): Check {
  return { name: 'load', ok: true, detail: { level, ...reading, memoryBytes, bodies: { heldBytes, limitBytes } } }
}

/** A sink that is away holds up nobody: its records wait on the disk. */
export function sinkCheck({ name, ...detail }: SinkStatus): Check {
  return { name: `sink ${name}`, ok: true, detail: { ...detail } }
}

/** A store that is away takes no gate out of service: all of them would be out together. */
export function limitsCheck(status: SharedStatus): Check {
  return { name: 'limits', ok: true, detail: { ...status } }
}

/** What is known stays in force, so that neither a faulty file nor a store that is away takes a gate out of service. */
export function revocationsCheck(status: RevocationStatus): Check {
  return { name: 'revocations', ok: true, detail: { ...status } }
}

/** Takes no gate out of service either: it says what is wrong with the store, and what to do. */
export function storeCheck(status: StoreStatus): Check {
  return { name: 'store', ok: true, detail: { ...status } }
}

/** An outage of engines must not take every gate away at once. */
export function poolCheck({ name, targets, queue }: Pick<Pool, 'name' | 'targets' | 'queue'>, nowMs: Ms): Check {
  const seen = targets.map(({ target, health, pauses, teamsWithout }) => ({
    target: target.origin,
    state: health.stateAt(nowMs),
    teamsWithout,
    pausedForMs: Math.max(0, pauses.lastUntil(nowMs) - nowMs)
  }))
  return { name: `pool ${name}`, ok: true, detail: { waiting: queue.size, targets: seen } }
}
