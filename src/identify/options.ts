/** What `identify/` needs, from the YAML key `clients`. */
export interface IdentifyOptions {
  /** CIDR ranges or single addresses, canonical text as the operator wrote it (validated). */
  readonly trustedProxies: readonly string[]
}
