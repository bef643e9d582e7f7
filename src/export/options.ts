import { type Static, Type } from '../schema-types.ts'
import type { Ms } from '../time.ts'
import { type Bytes, DURATION, readBytes, readDurationMs, SIZE } from '../units.ts'

/** Where usage is shipped to, one entry of the YAML key `metering.sinks`. Plain data, so that a thread can be handed it. */
export interface SinkOptions {
  readonly name: string
  /** Who ships: a gate while it runs, or `tollgate usage export` alone. */
  readonly by: 'gate' | 'command'
  readonly batchRecords: number
  readonly batchBytes: Bytes
  /** Of one batch, from the connection to the whole answer. */
  readonly timeoutMs: Ms
  readonly to: HttpOptions | PostgresOptions
}

/** An endpoint that takes batches of CloudEvents. */
export interface HttpOptions {
  readonly kind: 'http'
  readonly url: string
  readonly token: string | null
  /** PEM; null trusts what Node trusts. */
  readonly ca: string | null
}

/** A table in PostgreSQL. */
export interface PostgresOptions {
  readonly kind: 'postgres'
  /** A name, an address, or the folder of a socket. */
  readonly host: string
  readonly port: number
  readonly database: string
  readonly user: string
  readonly password: string | null
  /** Verified; off only where the file says so. */
  readonly tls: boolean
  readonly ca: string | null
  /** `table` or `schema.table`. */
  readonly table: string
}

/** What a sink may be called: its name is part of names of files. */
export const SINK_NAME = /^[A-Za-z0-9_-]{1,64}$/
const TABLE = '^[a-z_][a-z0-9_]{0,62}(\\.[a-z_][a-z0-9_]{0,62})?$'

const ca = Type.Optional(
  Type.String({ minLength: 1, description: 'A file with the certificates to trust instead of the usual ones.' })
)

const HttpSchema = Type.Object(
  {
    url: Type.String({
      format: 'key-url',
      expected: 'an https URL (http for this machine alone)',
      description: 'Gets `POST` with `application/cloudevents-batch+json`. Verified, no redirect is followed.'
    }),
    token: Type.Optional(
      Type.String({
        secret: true,
        pattern: '^[\\x21-\\x7e]+$',
        expected: 'printable characters without a space',
        description: 'Sent as `Authorization: Bearer`.'
      })
    ),
    ca
  },
  { additionalProperties: false, description: 'An endpoint that takes batches of CloudEvents.' }
)

const PostgresSchema = Type.Object(
  {
    host: Type.String({ minLength: 1, description: 'Name or address of the server, or the folder of its socket.' }),
    port: Type.Integer({ default: 5432, minimum: 1, maximum: 65_535, description: 'Its port.' }),
    database: Type.String({ minLength: 1, description: 'The database.' }),
    user: Type.String({ minLength: 1, description: 'Needs INSERT on the table, and SELECT on `source` and `id`.' }),
    password: Type.Optional(
      Type.String({ secret: true, minLength: 1, expected: 'a password', description: 'Its password.' })
    ),
    tls: Type.Enum(['verify', 'off'], {
      default: 'verify',
      description: '`off` for a socket, or a network that nobody else is on.'
    }),
    ca,
    table: Type.String({
      pattern: TABLE,
      default: 'tollgate_usage',
      expected: 'a name such as tollgate_usage or billing.usage, in small letters',
      description: 'The table; `tollgate usage export --init` makes it.'
    })
  },
  { additionalProperties: false, description: 'A table in PostgreSQL.' }
)

const SinkSchema = Type.Object(
  {
    http: Type.Optional(HttpSchema),
    postgres: Type.Optional(PostgresSchema),
    by: Type.Enum(['gate', 'command'], {
      default: 'gate',
      description: 'Who ships: every gate of the folder, one at a time, or `tollgate usage export` alone.'
    }),
    batch: Type.Object(
      {
        records: Type.Integer({ default: 500, minimum: 1, maximum: 10_000, description: 'At most so many records.' }),
        size: Type.String({ ...SIZE, default: '1MiB', description: 'At most so large, unless one record alone is.' })
      },
      { additionalProperties: false, default: {}, description: 'What is sent at once.' }
    ),
    timeout: Type.String({
      ...DURATION,
      default: '10s',
      description: 'A batch that is not taken within this time is sent again.'
    })
  },
  { additionalProperties: false, description: 'One sink: either `http` or `postgres`.' }
)

/** The YAML key `metering.sinks`. */
export const SinksSchema = Type.Record(Type.String(), SinkSchema, {
  default: {},
  description: 'Where usage is shipped to, each by its name: at least once, one effect by `source` and `id`.'
})

type SinkYaml = Static<typeof SinkSchema>

/** Reads the key `metering.sinks`. @param readText reads a file that it names */
export function sinkOptions(
  yaml: Readonly<Record<string, SinkYaml>>,
  readText: (path: string) => string
): readonly SinkOptions[] {
  return Object.entries(yaml).map(([name, sink]) => ({
    name,
    by: sink.by as SinkOptions['by'],
    batchRecords: sink.batch.records,
    batchBytes: readBytes(sink.batch.size),
    timeoutMs: Math.max(1, readDurationMs(sink.timeout)),
    to: targetOf(sink, readText)
  }))
}

function targetOf({ http, postgres }: SinkYaml, readText: (path: string) => string): HttpOptions | PostgresOptions {
  const caOf = (file: string | undefined) => (file === undefined ? null : readText(file))
  if (http !== undefined) return { kind: 'http', url: http.url, token: http.token ?? null, ca: caOf(http.ca) }
  if (postgres === undefined) throw new TypeError('a sink without a target has been let through')
  const { host, port, database, user, password, tls, table } = postgres
  return {
    kind: 'postgres',
    host,
    port,
    database,
    user,
    password: password ?? null,
    tls: tls === 'verify',
    ca: caOf(postgres.ca),
    table
  }
}
