import { type Static, Type } from '../schema-types.ts'

/** What `audit/` needs, from the YAML key `audit`. */
export interface AuditOptions {
  /** `stdout`, or the absolute path of a file that lines are appended to. */
  readonly to: 'stdout' | { readonly file: string }
}

/** The YAML key `audit`. */
export const AuditSchema = Type.Object(
  {
    to: Type.String({ minLength: 1, default: 'stdout', description: '`stdout`, or a file that lines are appended to.' })
  },
  { additionalProperties: false, default: {}, description: 'The audit log: one line of JSON per request.' }
)

/** Reads the key `audit`. @param resolve makes a path absolute */
export function auditOptions(yaml: Static<typeof AuditSchema>, resolve: (path: string) => string): AuditOptions {
  return { to: yaml.to === 'stdout' ? 'stdout' : { file: resolve(yaml.to) } }
}
