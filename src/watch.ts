import { createSuspicionLog } from './audit/suspicion.ts'
import type { Metrics } from './metrics/metrics.ts'
import { shownAs } from './metrics/subjects.ts'
import type { SuspectOptions } from './suspect/options.ts'
import { createSuspicion, type Suspicion } from './suspect/suspicion.ts'

type Told = Parameters<typeof createSuspicionLog>[0]
type Asked = Parameters<typeof createSuspicion>[1]

/** Opens what watches for misuse, and has the metrics, the audit log and the operator told of it. */
export function openWatch(
  first: SuspectOptions,
  init: Omit<Told, 'shown'> &
    Omit<Asked, 'onSuspected'> & {
      readonly metrics: () => Pick<Metrics, 'suspected'>
      /** What subjects are hashed with before they are shown. */
      readonly subjectKey: () => string | null
    }
): Suspicion {
  const tell = createSuspicionLog({ ...init, shown: sub => shownAs(sub, init.subjectKey()) })
  return createSuspicion(first, {
    ...init,
    onSuspected(suspected) {
      init.metrics().suspected(suspected.kind, suspected.action)
      tell(suspected)
    }
  })
}
