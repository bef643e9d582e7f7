import type { OverloadGuard } from './accept/overload.ts'
import type { Check } from './admin/app.ts'
import type { KeySet } from './authenticate/keys.ts'
import type { RevocationStatus } from './authenticate/revocations.ts'
import type { SinkStatus } from './export/shipping.ts'
import type { BodyBudget } from './inspect/body-budget.ts'
import type { SharedStatus } from './limit/quota-store-shared.ts'
import type { LineWriterStatus } from './line-writer.ts'

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
