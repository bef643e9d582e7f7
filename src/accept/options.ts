import { type Static, Type } from '../schema-types.ts'
import type { Ms } from '../time.ts'
import { ADDRESS, type Bytes, DURATION, readBytes, readDurationMs, readListen, SIZE } from '../units.ts'

/** What `accept/` and the listener need, from the YAML key `server`. */
export interface AcceptOptions {
  readonly host: string
  readonly port: number
  /** Accepted Host names, lower case, without port; empty accepts every valid one. */
  readonly names: readonly string[]
  /** Absolute paths of PEM files, or null for plain HTTP. */
  readonly tls: TlsFiles | null
  /** How long the gate goes on accepting after SIGTERM, while whoever sends it traffic sees that it is not ready. */
  readonly drainAcceptMs: Ms
  /** How long running requests may take to end after that. */
  readonly drainTimeoutMs: Ms
  /** Connections of all callers together; null for what the descriptors of the process allow. */
  readonly maxConnections: number | null
  readonly overload: OverloadOptions
  readonly cors: CorsOptions
}

/** Pages of which origins may read answers. */
export interface CorsOptions {
  /** As browsers write them, `https://app.example.com`; `*` for all; empty for none. */
  readonly origins: readonly string[]
  /** So long may a browser remember what it was told. */
  readonly maxAgeSec: number
}

/** From when on the gate itself has too much to do. */
export interface OverloadOptions {
  /** The event loop may be late by so much. */
  readonly delayMs: Ms
  /** The process may use so much memory; null for what its container or the machine has. */
  readonly memoryBytes: Bytes | null
}

/** Absolute paths of PEM files. */
export interface TlsFiles {
  readonly certFile: string
  readonly keyFile: string
  /** Of the authority that signs the certificates of callers, or null when they need none. */
  readonly clientCaFile: string | null
}

/** The YAML key `server`. */
export const ServerSchema = Type.Object(
  {
    listen: Type.String({
      ...ADDRESS,
      default: '0.0.0.0:8080',
      description: 'Address and port that callers connect to.'
    }),
    names: Type.Array(Type.String({ pattern: '^[A-Za-z0-9_.:\\[\\]-]+$', expected: 'a host name without port' }), {
      default: [],
      description: 'Host names that are served; empty serves every valid one.'
    }),
    tls: Type.Optional(
      Type.Object(
        {
          cert: Type.String({
            minLength: 1,
            description: 'PEM file of the certificate and its chain; re-read when it changes.'
          }),
          key: Type.String({ minLength: 1, description: 'PEM file of its private key; re-read when it changes.' }),
          client_ca: Type.Optional(
            Type.String({
              minLength: 1,
              description: 'PEM file of the authority whose certificates callers must show; re-read when it changes.'
            })
          )
        },
        { additionalProperties: false, description: 'Serve HTTPS. Absent: plain HTTP.' }
      )
    ),
    max_connections: Type.Optional(
      Type.Integer({
        minimum: 1,
        description:
          'Connections that all callers together may hold at once; for one more, the one that is longest without a request is ' +
          'closed. Without it, what the descriptor limit (`ulimit -n`) allows with one more for each at an engine, 20,000 at most.'
      })
    ),
    drain: Type.Object(
      {
        accept: Type.String({
          ...DURATION,
          default: '10s',
          description:
            'How long the gate goes on accepting after SIGTERM, not ready: what load balancers need to see it.'
        }),
        timeout: Type.String({
          ...DURATION,
          default: '600s',
          description: 'How long running requests may take to end after that.'
        })
      },
      { additionalProperties: false, default: {}, description: 'How the gate stops.' }
    ),
    overload: Type.Object(
      {
        delay: Type.String({
          ...DURATION,
          default: '200ms',
          description:
            'When the event loop is late by so much most of the time, three half seconds in a row, only remembered tokens are let in; at five times as much, nobody.'
        }),
        memory: Type.Optional(
          Type.String({
            ...SIZE,
            description:
              'What the gate may use; absent: what its container or the machine has. At 85 % only remembered tokens are let in, at 95 % nobody; bodies may be a quarter of it.'
          })
        )
      },
      { additionalProperties: false, default: {}, description: 'When the gate itself has too much to do.' }
    ),
    cors: Type.Object(
      {
        origins: Type.Array(
          Type.String({
            pattern: '^(?:\\*|[a-z][a-z0-9+.-]*://[a-z0-9._\\[\\]:-]+)$',
            expected: 'an origin such as https://app.example.com, or *'
          }),
          {
            default: [],
            description:
              'Origins whose pages may call from a browser, exactly as browsers write them; `*` is every page.'
          }
        ),
        max_age: Type.String({
          ...DURATION,
          default: '10m',
          description: 'How long a browser may remember that it may.'
        })
      },
      {
        additionalProperties: false,
        default: {},
        description: 'Calls from pages in browsers (CORS); none unless given.'
      }
    )
  },
  { additionalProperties: false, default: {}, description: 'The listener that callers connect to.' }
)

/** @param resolve makes a path absolute, from the folder of the configuration */
export function acceptOptions(yaml: Static<typeof ServerSchema>, resolve: (path: string) => string): AcceptOptions {
  const { tls } = yaml
  return {
    ...readListen(yaml.listen),
    names: yaml.names.map(name => name.toLowerCase()),
    tls:
      tls === undefined
        ? null
        : {
            certFile: resolve(tls.cert),
            keyFile: resolve(tls.key),
            clientCaFile: tls.client_ca === undefined ? null : resolve(tls.client_ca)
          },
    maxConnections: yaml.max_connections ?? null,
    drainAcceptMs: readDurationMs(yaml.drain.accept),
    drainTimeoutMs: readDurationMs(yaml.drain.timeout),
    cors: { origins: yaml.cors.origins, maxAgeSec: Math.floor(readDurationMs(yaml.cors.max_age) / 1000) },
    overload: {
      delayMs: readDurationMs(yaml.overload.delay),
      memoryBytes: yaml.overload.memory === undefined ? null : readBytes(yaml.overload.memory)
    }
  }
}
