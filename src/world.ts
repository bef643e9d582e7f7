import type { Check } from './admin/app.ts'
import type { RevocationDesk } from './admin/revocations.ts'
import type { AppDeps } from './app.ts'
import type { AuditSink } from './audit/sink.ts'
import type { Config } from './config/load.ts'
import type { Metrics } from './metrics/metrics.ts'
import type { NameResolver } from './resolve/names.ts'
import type { Ms } from './time.ts'

/** The real world behind the rooms, and how to begin and end it. */
export interface World {
  readonly app: AppDeps
  readonly resolver: NameResolver
  /** What `/readyz` looks at. */
  readonly checks: () => readonly Check[]
  /** Where operators revoke. */
  readonly revocations: RevocationDesk
  readonly metrics: Pick<Metrics, 'scrape' | 'watchProcess'>
  readonly auditSink: Pick<AuditSink, 'status' | 'reopen'>
  /**
   * Follows another configuration. Requests that run keep the rules that they began under; connections, keys, queues and
   * what is known of engines stay where nothing of theirs changed. What is opened once is not followed: the listeners, the
   * audit log, the ledger with its sinks, and the store.
   */
  follow(config: Config): void
  /** Begins to fetch keys, to learn models, to ask after engines, and whatever else goes on beside calls. Returns at once. */
  start(): void
  /** Resolves when every key set has keys and every learned pool its models; may never. */
  ready(): Promise<void>
  /** Whether it is known what other gates have revoked, once it is, or when that takes too long. */
  knowsRevoked(within: { readonly withinMs: Ms }): Promise<boolean>
  /** Stops the clocks and the connections, then writes down what is still held. Bounded: what takes too long is left, and logged. */
  close(): Promise<void>
}
