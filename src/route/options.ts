import type { Engine } from '../engines/table.ts'
import { type Static, Type } from '../schema-types.ts'
import type { Ms } from '../time.ts'
import { DURATION, readDurationMs } from '../units.ts'
import { BALANCES, type Balance } from './balance.ts'
import { CLASS_HEADER, CLASSES, type Class } from './classes.ts'
import type { HealthOptions } from './health.ts'
import type { QueueOptions } from './queue.ts'

/** What `route/` needs, from the YAML keys `pools`, `models` and `teams`. */
export interface RouteOptions {
  readonly pools: ReadonlyMap<string, PoolOptions>
  /** Team → its share; the team `*` is any other. */
  readonly teams: ReadonlyMap<string, TeamOptions>
}

/** The part of a pool that routing needs. */
export interface PoolOptions {
  readonly name: string
  readonly engine: Engine
  /** Never empty. */
  readonly targets: readonly TargetPlace[]
  /** The models that the pool serves; null: learned from the engine's `/v1/models`. */
  readonly models: readonly string[] | null
  readonly balance: Balance
  /** Calls that its engines take together; without a limit unless given. */
  readonly maxInflight: number
  readonly queue: QueueOptions
  readonly health: HealthOptions & { readonly everyMs: Ms }
}

/** One target of a pool. */
export interface TargetPlace {
  /** `scheme://host:port`. */
  readonly origin: string
  /** `address:port`, where it is one of the addresses of a name. */
  readonly address?: string
  /** True: each address of its name is to be a target of its own. */
  readonly resolvesAll?: boolean
  /** Its share of the calls, beside the others'. */
  readonly weight: number
  readonly maxInflight: number
}

/** The part of an item of the YAML key `pools` that routing needs. */
export const RoutePoolSchemaParts = {
  balance: Type.Enum([...BALANCES], {
    default: 'least_inflight',
    description:
      'How a target is chosen: the one with the least to do, in turns, or the one of the session (`x-session-id`, else the ' +
      'beginning of the prompt), which keeps its prefix cache warm.'
  }),
  max_inflight: Type.Optional(
    Type.Integer({ minimum: 1, description: 'Calls that the pool takes at once; more wait in the queue.' })
  ),
  queue: Type.Object(
    {
      size: Type.Integer({ minimum: 0, default: 512, description: 'Calls of each class that may wait.' }),
      per_team: Type.Optional(
        Type.Integer({
          minimum: 1,
          description: 'Those of one team among them; half of `size` unless given. More are refused with 429.'
        })
      ),
      timeout: Type.String({ ...DURATION, default: '30s', description: 'How long a call may wait.' })
    },
    {
      additionalProperties: false,
      default: {},
      description: 'Where calls wait for a place: teams take turns by the tokens that they have had (`teams`).'
    }
  ),
  health: Type.Object(
    {
      every: Type.String({
        ...DURATION,
        default: '5s',
        description: 'How often engines are asked whether they are well.'
      }),
      fall: Type.Integer({
        minimum: 1,
        default: 3,
        description: 'Questions without an answer that put an engine out.'
      }),
      rise: Type.Integer({ minimum: 1, default: 2, description: 'Answers that bring it back.' })
    },
    { additionalProperties: false, default: {}, description: 'When an engine is left out.' }
  )
}

/** The part of an item of the YAML key `pools.*.targets` that routing needs. */
export const RouteTargetSchemaParts = {
  weight: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 1000, description: 'Its share of the calls; 1 unless given.' })
  ),
  max_inflight: Type.Optional(Type.Integer({ minimum: 1, description: 'Calls that it takes at once.' }))
}

/** One pool as it stands in the file. */
export interface RoutePoolYaml {
  readonly engine: Engine
  readonly models?: readonly string[]
  readonly balance: Balance
  readonly max_inflight?: number
  readonly queue: { readonly size: number; readonly per_team?: number; readonly timeout: string }
  readonly health: { readonly every: string; readonly fall: number; readonly rise: number }
}

/** Reads the routing part of an item of the key `pools`. */
export function poolOptions(name: string, yaml: RoutePoolYaml, targets: readonly TargetPlace[]): PoolOptions {
  const { engine, models, balance, max_inflight: maxInflight, queue, health } = yaml
  return {
    name,
    engine,
    targets,
    models: models ?? null,
    balance,
    maxInflight: maxInflight ?? Number.POSITIVE_INFINITY,
    queue: {
      size: queue.size,
      perTeam: queue.per_team ?? Math.ceil(queue.size / 2),
      timeoutMs: readDurationMs(queue.timeout)
    },
    health: { everyMs: readDurationMs(health.every), fall: health.fall, rise: health.rise }
  }
}

/** One team. */
export interface TeamOptions {
  /** Names of pools, in the order in which they are asked for a model. Never empty. */
  readonly pools: readonly string[]
  /** The models that the team may use; null: all of its pools. */
  readonly models: readonly string[] | null
  /** Its share of a pool that is full, beside the others' of its class. */
  readonly weight: number
  /** The class of its calls, unless they ask for a lower one. */
  readonly class: Class
}

/** One item of the YAML key `teams`. */
export const TeamSchema = Type.Object(
  {
    pool: Type.Optional(Type.String({ minLength: 1, description: 'The pool of the team.' })),
    pools: Type.Optional(
      Type.Array(Type.String({ minLength: 1 }), {
        minItems: 1,
        description: 'Or several; the first that serves the model takes the call.'
      })
    ),
    models: Type.Optional(
      Type.Array(Type.String({ minLength: 1 }), {
        description: 'The models that the team may use; all of its pools unless given.'
      })
    ),
    weight: Type.Integer({
      minimum: 1,
      maximum: 1000,
      default: 1,
      description: 'Its share of the tokens of a pool that is full, beside the other teams of its class that wait.'
    }),
    class: Type.Enum([...CLASSES], {
      default: 'default',
      description:
        'Which of its calls wait less: a class above is served before those below, but for what is reserved for these. ' +
        `A caller may ask for a lower one in \`${CLASS_HEADER}\`.`
    })
  },
  { additionalProperties: false, description: 'A team.' }
)

/** Reads the routing part of the keys `pools` and `teams`. */
export function routeOptions(
  pools: readonly PoolOptions[],
  teams: Readonly<Record<string, Static<typeof TeamSchema>>>
): RouteOptions {
  return {
    pools: new Map(pools.map(pool => [pool.name, pool])),
    teams: new Map(
      Object.entries(teams).map(([name, { pool, pools: several, models, weight, class: highest }]) => [
        name,
        {
          pools: several ?? (pool === undefined ? [] : [pool]),
          models: models ?? null,
          weight,
          class: highest as Class
        }
      ])
    )
  }
}
