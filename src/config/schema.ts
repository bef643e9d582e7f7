import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { type AcceptOptions, acceptOptions, ServerSchema } from '../accept/options.ts'
import { type AdminOptions, AdminSchema, adminOptions } from '../admin/options.ts'
import { type AuditOptions, AuditSchema, auditOptions } from '../audit/options.ts'
import {
  type AuthenticateOptions,
  authenticateOptions,
  IssuerSchema,
  type RevocationOptions,
  RevocationSchema,
  revocationOptions,
  TokensSchema
} from '../authenticate/options.ts'
import { AccessSchemaParts, type AuthorizeOptions, authorizeOptions, ModelSchema } from '../authorize/options.ts'
import { type BillOptions, BillSchemaParts, billOptions } from '../bill/options.ts'
import { type ChargeOptions, chargeOptions, MeteringSchemaParts } from '../charge/options.ts'
import { ENGINES, type Engine } from '../engines/table.ts'
import type { UsageMode } from '../engines/usage.ts'
import { type SinkOptions, SinksSchema, sinkOptions } from '../export/options.ts'
import {
  type ForwardOptions,
  HEARTBEAT_MS,
  messageLimit,
  originOf,
  PoolSchemaParts,
  type PoolYaml,
  TargetSchemaParts,
  TargetUrlSchema,
  targetOptions
} from '../forward/options.ts'
import { ClientsSchema, type IdentifyOptions, identifyOptions } from '../identify/options.ts'
import { ExtraRouteSchema, type InspectOptions, inspectOptions, RequestsSchemaParts } from '../inspect/options.ts'
import {
  type LimitOptions,
  LimitsSchema,
  limitOptions,
  ModelLimitsSchema,
  TeamLimitsSchemaParts
} from '../limit/options.ts'
import { UsageSchema, usageMode } from '../meter/options.ts'
import { AlertsSchema, type MetricsOptions, MetricsSchema, metricsOptions } from '../metrics/options.ts'
import { type MintOptions, MintSchema, mintOptions } from '../mint/options.ts'
import { type ResolverOptions, ResolverSchema, resolverOptions } from '../resolve/options.ts'
import {
  poolOptions,
  type RouteOptions,
  RoutePoolSchemaParts,
  type RoutePoolYaml,
  RouteTargetSchemaParts,
  routeOptions,
  TeamSchema
} from '../route/options.ts'
import { type Static, Type } from '../schema-types.ts'
import { IsolateCacheSchema, type ShapeOptions, ShapeSchemaParts, shapeOptions } from '../shape/options.ts'
import { type StoreOptions, StoreSchema, storeOptions } from '../store/options.ts'
import { type SuspectOptions, SuspiciousSchema, suspectOptions } from '../suspect/options.ts'

const TargetSchema = Type.Object({ ...TargetSchemaParts, ...RouteTargetSchemaParts }, { additionalProperties: false })

const PoolSchema = Type.Object(
  {
    engine: Type.Enum([...ENGINES], {
      description: 'What the targets run; `openai` is any OpenAI-compatible server or router.'
    }),
    targets: Type.Array(
      Type.Union([TargetUrlSchema, TargetSchema], {
        expected: 'a URL such as http://gpu1:8000, or { url, ca, weight }'
      }),
      { minItems: 1, description: 'The engines: a URL each, or `{ url, … }`. Certificates are always verified.' }
    ),
    models: Type.Optional(
      Type.Array(Type.String({ minLength: 1 }), {
        minItems: 1,
        description: "The models that it serves; learned from the engines' /v1/models unless given."
      })
    ),
    api_key: PoolSchemaParts.api_key,
    usage: UsageSchema,
    isolate_cache: IsolateCacheSchema,
    ...RoutePoolSchemaParts,
    timeouts: PoolSchemaParts.timeouts
  },
  { additionalProperties: false, description: 'A pool of engines that serve the same.' }
)

const ModelsSchema = Type.Object(
  { ...ModelSchema.properties, limits: ModelLimitsSchema },
  { additionalProperties: false, description: 'A model.' }
)

const TeamsSchema = Type.Object(
  { ...TeamSchema.properties, ...TeamLimitsSchemaParts },
  { additionalProperties: false, description: 'A team.' }
)

/** The whole file. The order of the keys is the order of the reference. */
export const FileSchema = Type.Object(
  {
    version: Type.Enum([1], { default: 1, description: 'The version of this format.' }),
    server: ServerSchema,
    admin: AdminSchema,
    clients: ClientsSchema,
    suspicious: SuspiciousSchema,
    issuers: Type.Array(IssuerSchema, {
      default: [],
      description: 'Whose tokens are believed, besides those of `mint`. None only where there is a `mint`.'
    }),
    tokens: TokensSchema,
    revocation: RevocationSchema,
    requests: Type.Object(
      { ...RequestsSchemaParts, ...ShapeSchemaParts },
      { additionalProperties: false, default: {}, description: 'What requests may carry.' }
    ),
    access: Type.Object(
      {
        ...AccessSchemaParts,
        routes: Type.Array(ExtraRouteSchema, { default: [], description: 'Routes besides the shared ones.' })
      },
      { additionalProperties: false, default: {}, description: 'What scopes and roles open.' }
    ),
    models: Type.Record(Type.String(), ModelsSchema, {
      default: {},
      description: 'Models with other names, scopes or limits of their own.'
    }),
    pools: Type.Record(Type.String(), PoolSchema, { minProperties: 1, description: 'Where engines are.' }),
    teams: Type.Record(Type.String(), TeamsSchema, {
      minProperties: 1,
      description: 'Who goes where; the team `*` is any other.'
    }),
    limits: LimitsSchema,
    store: StoreSchema,
    resolver: ResolverSchema,
    metering: Type.Optional(
      Type.Object(
        { ...MeteringSchemaParts, ...BillSchemaParts, sinks: SinksSchema },
        { additionalProperties: false, description: 'The ledger of usage. Absent: no usage is written.' }
      )
    ),
    audit: AuditSchema,
    metrics: MetricsSchema,
    alerts: AlertsSchema,
    mint: MintSchema
  },
  { additionalProperties: false }
)

type Target = Static<typeof TargetSchema>

/** The file after validation, with its defaults in place. */
export type FileYaml = Static<typeof FileSchema>

/** A configuration, in the units and shapes of the rooms. Frozen. */
export interface Config {
  readonly accept: AcceptOptions
  readonly admin: AdminOptions
  readonly identify: IdentifyOptions
  readonly suspect: SuspectOptions
  readonly authenticate: AuthenticateOptions
  readonly revocation: RevocationOptions
  readonly inspect: InspectOptions
  readonly authorize: AuthorizeOptions
  readonly limit: LimitOptions
  readonly store: StoreOptions | null
  readonly resolver: ResolverOptions
  readonly route: RouteOptions
  readonly shape: ShapeOptions
  readonly forward: ForwardOptions
  readonly charge: ChargeOptions | null
  readonly bill: BillOptions
  readonly sinks: readonly SinkOptions[]
  readonly audit: AuditOptions
  readonly metrics: MetricsOptions
  readonly mint: MintOptions | null
  /** `sha256:…` of the file with its defaults, secrets masked. */
  readonly hash: string
}

/** Turns a validated file into the options of the rooms. Paths are relative to the folder of the file. */
export function configFrom(yaml: FileYaml, { file, hash }: { file: string; hash: string }): Config {
  const absolute = (path: string) => resolve(dirname(file), path)
  const pools = Object.entries(yaml.pools)
  const inspect = inspectOptions(
    yaml.requests,
    yaml.access.routes,
    yaml.models,
    pools.map(([, pool]) => pool.engine as Engine)
  )
  const shape = shapeOptions(
    yaml.requests,
    pools.map(([name, pool]) => ({
      name,
      isolateCache: pool.isolate_cache,
      secret: pool.api_key ?? null,
      usage: usageMode(pool.engine as Engine, pool.usage as UsageMode | undefined)
    }))
  )
  return deepFreeze({
    accept: acceptOptions(yaml.server, absolute),
    admin: adminOptions(yaml.admin),
    identify: identifyOptions(yaml.clients),
    suspect: suspectOptions(yaml.suspicious),
    authenticate: authenticateOptions(yaml.issuers, yaml.tokens, absolute),
    revocation: revocationOptions(yaml.revocation, absolute),
    inspect,
    authorize: authorizeOptions(yaml.access, yaml.models),
    store: storeOptions(yaml.store, path => readFileSync(absolute(path), 'utf8')),
    resolver: resolverOptions(yaml.resolver),
    limit: limitOptions(yaml.limits, yaml.teams, yaml.models, shape.caps),
    route: routeOptions(
      pools.map(([name, pool]) =>
        poolOptions(
          name,
          pool as RoutePoolYaml,
          (pool.targets as (string | Target)[]).map(target => ({
            origin: originOf(target),
            resolvesAll: typeof target !== 'string' && target.resolve === 'all',
            weight: (typeof target === 'string' ? undefined : target.weight) ?? 1,
            maxInflight: (typeof target === 'string' ? undefined : target.max_inflight) ?? Number.POSITIVE_INFINITY
          }))
        )
      ),
      yaml.teams
    ),
    shape,
    forward: {
      heartbeatMs: HEARTBEAT_MS,
      maxMessageBytes: messageLimit(inspect.bodyMultimodalBytes),
      targets: pools.flatMap(([name, pool]) =>
        targetOptions(name, pool as PoolYaml, path => readFileSync(absolute(path), 'utf8'))
      )
    },
    charge: chargeOptions(yaml.metering, absolute),
    bill: billOptions(yaml.metering, absolute),
    sinks: sinkOptions(yaml.metering?.sinks ?? {}, path => readFileSync(absolute(path), 'utf8')),
    audit: auditOptions(yaml.audit, absolute),
    metrics: metricsOptions(yaml.metrics, yaml.alerts),
    mint: mintOptions(yaml.mint, absolute),
    hash
  })
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !ArrayBuffer.isView(value)) {
    Object.freeze(value)
    for (const inner of Object.values(value)) deepFreeze(inner)
  }
  return value
}
