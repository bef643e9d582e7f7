import type { Ms } from '../time.ts'

/** What `accept/` and the listener need, from the YAML key `server`. */
export interface AcceptOptions {
  readonly host: string
  readonly port: number
  /** Accepted Host names, lower case, without port; empty accepts every valid one. */
  readonly names: readonly string[]
  /** Absolute paths of PEM files, or null for plain HTTP. */
  readonly tls: { readonly certFile: string; readonly keyFile: string } | null
  /** How long running requests may take to end after SIGTERM. */
  readonly drainTimeoutMs: Ms
}
