/** What `audit/` needs, from the YAML key `audit`. */
export interface AuditOptions {
  /** `stdout`, or the absolute path of a file that lines are appended to. */
  readonly to: 'stdout' | { readonly file: string }
}
