import type { Ms } from './time.ts'

/** Who is told of what did not end as it should. */
interface Log {
  error(facts: object, message: string): void
}

/** A promise that a clock resolves. */
export function timer(ms: Ms): { done: Promise<void>; cancel: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>()
  const handle = setTimeout(resolve, ms)
  return { done: promise, cancel: () => clearTimeout(handle) }
}

/**
 * Ends several things at once. Waits for none of them longer than is given, and for no other one when one fails: the rest of the
 * process ends in any case, and the operator is told what was not waited for.
 *
 * @param steps by the name that the operator knows; null where there is nothing to end
 */
export async function endAll(
  steps: Readonly<Record<string, { close(): PromiseLike<unknown> } | null>>,
  { withinMs, log }: { readonly withinMs: Ms; readonly log: Log }
): Promise<void> {
  const late = timer(withinMs)
  const ends = Object.entries(steps).map(async ([step, it]) => {
    if (it === null) return
    try {
      const isLate = await Promise.race([it.close().then(() => false), late.done.then(() => true)])
      if (isLate) log.error({ step, withinMs }, 'shutdown step abandoned: it took too long')
    } catch (err) {
      log.error({ step, err }, 'shutdown step failed')
    }
  })
  await Promise.all(ends)
  late.cancel()
}
