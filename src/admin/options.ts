import { type Static, Type } from '../schema-types.ts'
import { ADDRESS, readListen } from '../units.ts'

/** What the second listener needs, from the YAML key `admin`. */
export interface AdminOptions {
  readonly host: string
  readonly port: number
  /** What opens everything but health, or null: then this machine alone may change anything. */
  readonly token: string | null
  /** Host names that are served besides addresses and private names. */
  readonly allowedHosts: readonly string[]
  /** Whether requests are taken that a proxy has passed on. */
  readonly allowForwarded: boolean
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
    ),
    allowed_hosts: Type.Array(
      Type.String({
        pattern: '^[A-Za-z0-9_]([A-Za-z0-9._-]{0,252}[A-Za-z0-9_])?$',
        expected: 'a host name without a port, such as gate.example.com'
      }),
      {
        default: [],
        description:
          'Names in `Host` that are answered. Addresses, `localhost`, names without a dot, those below `.svc`, `.cluster.local` ' +
          "and `.internal`, and the machine's own always are. Any other is refused (421): a page may have it point here."
      }
    ),
    allow_forwarded: Type.Boolean({
      default: false,
      description:
        'true: requests with `X-Forwarded-For`, `Forwarded`, `Via` and the like are taken, with `token` alone. Health always is.'
    })
  },
  { additionalProperties: false, default: {}, description: 'A second listener, for the operator alone.' }
)

/** Reads the key `admin`. */
export function adminOptions(yaml: Static<typeof AdminSchema>): AdminOptions {
  return {
    ...readListen(yaml.listen),
    token: yaml.token ?? null,
    allowedHosts: yaml.allowed_hosts,
    allowForwarded: yaml.allow_forwarded
  }
}
