import { setTimeout as sleep } from 'node:timers/promises'
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import type { ResolverOptions } from '../resolve/options.ts'
import { createResolver } from '../resolve/resolver.ts'
import { replaceSystemLookup } from '../resolve/system-lookup.ts'
import type { Ms } from '../time.ts'
import { Backoff } from './backoff.ts'
import { GaveUp } from './delivery.ts'
import { reasonOf } from './http.ts'
import type { SinkOptions } from './options.ts'
import { ship } from './shipper.ts'

/** What the thread is started with. */
export interface WorkerInit {
  readonly dir: string
  readonly sinks: readonly SinkOptions[]
  readonly resolver: ResolverOptions
}

/** What the thread tells. */
export type WorkerNews = { readonly sink: string } & (
  | { readonly is: 'standby' | 'begun' | 'taken' }
  | { readonly is: 'failed'; readonly message: string; readonly waitMs: Ms }
  | { readonly is: 'pending'; readonly oldestMs: Ms | null }
  | { readonly is: 'shipped'; readonly count: number; readonly dead: number }
  | { readonly is: 'trouble' | 'broken'; readonly message: string }
)

/** Ships to one sink until it is told to end, whatever happens. */
async function keep(options: SinkOptions, dir: string, drain: AbortSignal, port: MessagePort): Promise<void> {
  const sink = options.name
  const tell = (news: WorkerNews) => port.postMessage(news)
  const backoff = new Backoff(Math.random)
  while (!drain.aborted) {
    try {
      await ship({
        dir,
        options,
        follow: true,
        patienceMs: Number.POSITIVE_INFINITY,
        nowMs: Date.now,
        random: Math.random,
        stop: new AbortController().signal,
        drain,
        on: {
          standby: () => tell({ sink, is: 'standby' }),
          begun: () => tell({ sink, is: 'begun' }),
          failed: (message, waitMs) => tell({ sink, is: 'failed', message, waitMs }),
          taken: () => tell({ sink, is: 'taken' }),
          pending: oldestMs => tell({ sink, is: 'pending', oldestMs }),
          shipped: (count, dead) => {
            backoff.succeeded()
            tell({ sink, is: 'shipped', count, dead })
          },
          trouble: message => tell({ sink, is: 'trouble', message })
        }
      })
    } catch (err) {
      if (err instanceof GaveUp) return
      tell({ sink, is: 'broken', message: err instanceof Error ? err.message : reasonOf(err) })
      await sleep(backoff.next(0), undefined, { signal: drain }).catch(() => {})
    }
  }
}

// A thread's file is its program: nothing else imports it.
if (parentPort !== null) {
  const port = parentPort
  const { dir, sinks, resolver } = workerData as WorkerInit
  // A thread's own: the pool of threads that getaddrinfo would hold is that of the whole process. A failure is a sink's.
  replaceSystemLookup(createResolver({ options: resolver, log: { warn() {}, info() {} } }))
  const drain = new AbortController()
  port.once('message', () => drain.abort())
  await Promise.all(sinks.map(options => keep(options, dir, drain.signal, port)))
  port.close()
}
