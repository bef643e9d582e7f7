import Type, { type Static } from 'typebox'
import { ADDRESS, readListen } from '../units.ts'

/** What the second listener needs, from the YAML key `admin`. */
export interface AdminOptions {
  readonly host: string
  readonly port: number
  /** What opens everything but health, or null: then this machine alone may change anything. */
  readonly token: string | null
}

/** The YAML key `admin`. */
export const AdminSchema = Type.Object(
  {
    listen: Type.String({
      ...ADDRESS,
      default: '127.0.0.1:9090',
      description: 'Address and port of /livez, /readyz, /metrics and what the operator asks for.'
    }),
    token: Type.Optional(
      Type.String({
        secret: true,
        pattern: '^[\\x21-\\x7e]{16,}$',
        expected: 'at least 16 printable characters',
        description: 'Opens everything there but health. Without it, this machine alone may reload.'
      })
    )
  },
  { additionalProperties: false, default: {}, description: 'A second listener, for the operator alone.' }
)

/** Reads the key `admin`. */
export function adminOptions(yaml: Static<typeof AdminSchema>): AdminOptions {
  return { ...readListen(yaml.listen), token: yaml.token ?? null }
}
