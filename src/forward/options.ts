import type { Ms } from '../time.ts'

/** What `forward/` needs for one target, from the YAML keys `pools.*`. */
export interface TargetOptions {
  readonly pool: string
  /** `scheme://host:port`. */
  readonly origin: string
  /** Sent to the engine as its own bearer, or null. Never shown. */
  readonly apiKey: string | null
  /** PEM text of the authority that signs the engine's certificate, or null for the system's. */
  readonly ca: string | null
  readonly timeouts: Timeouts
}

/** Time limits of a call to an engine. */
export interface Timeouts {
  readonly connectMs: Ms
  /** From the sent request to the first byte of the answer. Covers queue and prefill. */
  readonly firstByteMs: Ms
  /** Between two pieces of the answer. */
  readonly idleMs: Ms
  readonly totalMs: Ms
}

/** What `forward/` needs, from the YAML key `pools`. */
export interface ForwardOptions {
  readonly targets: readonly TargetOptions[]
}
