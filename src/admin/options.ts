import Type, { type Static } from 'typebox'
import { ADDRESS, readListen } from '../units.ts'

/** What the second listener needs, from the YAML key `admin`. */
export interface AdminOptions {
  readonly host: string
  readonly port: number
}

/** The YAML key `admin`. */
export const AdminSchema = Type.Object(
  {
    listen: Type.String({
      ...ADDRESS,
      default: '127.0.0.1:9090',
      description: 'Address and port of /livez and /readyz.'
    })
  },
  { additionalProperties: false, default: {}, description: 'A second listener, for the operator alone.' }
)

/** Reads the key `admin`. */
export function adminOptions(yaml: Static<typeof AdminSchema>): AdminOptions {
  return readListen(yaml.listen)
}
