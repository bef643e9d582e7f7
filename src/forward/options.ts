import { Type } from '../schema-types.ts'
import type { Ms } from '../time.ts'
import { type Bytes, DURATION, readDurationMs } from '../units.ts'

/** What `forward/` needs for one target, from the YAML keys `pools.*`. */
export interface TargetOptions {
  readonly pool: string
  /** `scheme://host:port`. */
  readonly origin: string
  /** `address:port`, where it is one of the addresses of a name. */
  readonly address?: string
  /** Sent to the engine as its own bearer, or null. Never shown. */
  readonly apiKey: string | null
  /** PEM text of the authority that signs the engine's certificate, or null for the system's. */
  readonly ca: string | null
  /** PEM texts of the gate's own certificate and its key, or null when the engine asks for none. */
  readonly cert: string | null
  readonly key: string | null
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
  /** A connection that is older carries no further call. */
  readonly maxConnectionMs: Ms
}

/** What `forward/` needs, from the YAML key `pools`. */
export interface ForwardOptions {
  readonly targets: readonly TargetOptions[]
  /** A stream that has begun and is silent for so long gets a comment, so that nothing between gives it up. */
  readonly heartbeatMs: Ms
  /** The longest message of a realtime session, either way. */
  readonly maxMessageBytes: Bytes
}

/** What the WebSocket servers of engines take at most by themselves. */
const MAX_MESSAGE_BYTES: Bytes = 16 * 1024 * 1024

/** No message is longer than a body may be. */
export function messageLimit(bodyBytes: Bytes): Bytes {
  return Math.min(bodyBytes, MAX_MESSAGE_BYTES)
}

/** Less than any load balancer waits (engines.md section 3.1). */
export const HEARTBEAT_MS: Ms = 15_000

/** Where an engine is. */
export const TargetUrlSchema = Type.String({
  description: 'Scheme, host and port of the engine.',
  format: 'target-url',
  expected: 'a URL such as http://gpu1:8000, without path, query or password'
})

/** The part of an item of the YAML key `pools.*.targets` that forwarding needs. */
export const TargetSchemaParts = {
  url: TargetUrlSchema,
  resolve: Type.Optional(
    Type.Enum(['all'], {
      description:
        'all: each address of the name is a target of its own, with its own health and limits, for as long as the name has ' +
        'it. `http://_http._tcp.vllm.example` takes ports and weights from SRV records.'
    })
  ),
  ca: Type.Optional(
    Type.String({ minLength: 1, description: 'PEM file of the authority that signs its certificate.' })
  ),
  cert: Type.Optional(
    Type.String({ minLength: 1, description: "PEM file of the gate's own certificate, where the engine asks for one." })
  ),
  key: Type.Optional(Type.String({ minLength: 1, description: 'PEM file of the private key of `cert`.' }))
}

/** The part of an item of the YAML key `pools` that forwarding needs. */
export const PoolSchemaParts = {
  api_key: Type.Optional(
    Type.String({
      secret: true,
      pattern: '^[\\x21-\\x7e]+$',
      expected: 'a key of printable characters',
      description: "Sent to the engines as their own key; the caller's token never is."
    })
  ),
  timeouts: Type.Object(
    {
      connect: Type.String({
        ...DURATION,
        default: '5s',
        description: 'To open a connection, TLS included. Resolving the name is not part of it (`resolver.timeout`).'
      }),
      first_byte: Type.String({
        ...DURATION,
        default: '10m',
        description: 'From the request to the first byte of the answer: queue and prefill.'
      }),
      idle: Type.String({ ...DURATION, default: '120s', description: 'Between two pieces of an answer.' }),
      total: Type.String({ ...DURATION, default: '60m', description: 'For the whole answer.' }),
      max_connection_duration: Type.String({
        ...DURATION,
        default: '5m',
        description: 'A connection that is older is closed when its call has ended, and another one is opened.'
      })
    },
    { additionalProperties: false, default: {}, description: 'How long engines may take.' }
  )
}

/** One target as it stands in the file, when it is more than a URL. */
export interface TargetYaml {
  readonly url: string
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
}

/** One pool as it stands in the file. */
export interface PoolYaml {
  readonly targets: readonly (string | TargetYaml)[]
  readonly api_key?: string
  readonly timeouts: {
    readonly connect: string
    readonly first_byte: string
    readonly idle: string
    readonly total: string
    readonly max_connection_duration: string
  }
}

/** The origin of a target as the transport knows it. */
export function originOf(target: PoolYaml['targets'][number]): string {
  return new URL(typeof target === 'string' ? target : target.url).origin
}

/** Reads the forwarding part of the key `pools`. @param read gives the text of a file beside the configuration */
export function targetOptions(pool: string, yaml: PoolYaml, read: (path: string) => string): TargetOptions[] {
  const readIf = (path: string | undefined) => (path === undefined ? null : read(path))
  return yaml.targets.map(target => {
    const { ca, cert, key }: Partial<TargetYaml> = typeof target === 'string' ? {} : target
    return {
      pool,
      origin: originOf(target),
      apiKey: yaml.api_key ?? null,
      ca: readIf(ca),
      cert: readIf(cert),
      key: readIf(key),
      timeouts: {
        connectMs: readDurationMs(yaml.timeouts.connect),
        firstByteMs: readDurationMs(yaml.timeouts.first_byte),
        idleMs: readDurationMs(yaml.timeouts.idle),
        totalMs: readDurationMs(yaml.timeouts.total),
        maxConnectionMs: readDurationMs(yaml.timeouts.max_connection_duration)
      }
    }
  })
}
