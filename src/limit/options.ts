import { type Static, Type } from '../schema-types.ts'
import { COUNT, readCount } from '../units.ts'
import type { Period } from './calendar.ts'

/** What `limit/` needs, from the YAML keys `limits`, `teams.*` and `models.*.limits`. */
export interface LimitOptions {
  /** Of each subject whose team has none of its own for it. */
  readonly subject: Limits | null
  readonly ip: Limits | null
  readonly global: Limits | null
  /** Team → its limits; the team `*` is any other. */
  readonly teams: ReadonlyMap<string, TeamLimits>
  readonly models: ReadonlyMap<string, Limits>
  readonly reserveOutput: ReserveOutput
  readonly weights: Weights
  readonly onStoreFailure: OnStoreFailure
  /** The longest answer that anybody may ask for, in tokens. */
  readonly maxTokens: number
  /** How many answers a call may ask for: prompts, times copies of each. */
  readonly maxAnswers: number
}

/** What is reserved for the answer. */
export type ReserveOutput = 'p90' | 'max_tokens' | 'none'
/** What decides while the store is away. */
export type OnStoreFailure = 'local' | 'deny' | 'allow'

/** How much a token of a kind counts. */
export interface Weights {
  readonly input: number
  /** Input that was found in a cache. */
  readonly cached: number
  readonly output: number
}

/** One object of limits. What is null is not limited. */
export interface Limits {
  /** Requests in a minute. */
  readonly rpm: number | null
  /** Tokens in a minute. */
  readonly tpm: number | null
  /** Calls at once. */
  readonly concurrent: number | null
  readonly budgets: readonly Budget[]
  /** They are counted, but refuse nobody. */
  readonly isShadow: boolean
}

/** So much in a day or a month. */
export interface Budget {
  readonly tokens: number | null
  readonly requests: number | null
  readonly per: Period
  /** Of the IANA database. */
  readonly tz: string
  readonly isShadow: boolean
}

/** The limits of one team. */
export interface TeamLimits {
  /** Of the team as a whole. */
  readonly team: Limits | null
  /** Of each of its subjects. */
  readonly subject: Limits | null
  /** Model → what the team as a whole may use of it. */
  readonly models: ReadonlyMap<string, Limits>
  readonly isSuspended: boolean
}

/** One schema and no union: this stands in many places, and all of them are compiled whenever the file is read. */
const count = (description: string) =>
  Type.Optional(
    Type.Unsafe<string | number>({
      type: ['integer', 'string'],
      minimum: 1,
      pattern: `^(?!0+[KMG]?$)${COUNT.pattern.slice(1)}`,
      expected: COUNT.expected,
      description
    })
  )

const shadow = (description: string) => Type.Optional(Type.Boolean({ description }))

const BudgetSchema = Type.Object(
  {
    tokens: count('Tokens in the period.'),
    requests: count('Requests in the period.'),
    per: Type.Enum(['day', 'month'], { description: 'The period, by the calendar.' }),
    tz: Type.Optional(
      Type.String({
        format: 'time-zone',
        expected: 'a time zone such as Europe/Berlin',
        description: 'Where the period begins and ends; UTC unless given.'
      })
    ),
    shadow: shadow('true: it is counted and written down, but refuses nobody.')
  },
  { additionalProperties: false }
)

const BudgetsSchema = Type.Optional(
  Type.Union([BudgetSchema, Type.Array(BudgetSchema)], {
    expected: 'a budget such as { tokens: 5G, per: month, tz: Europe/Berlin }, or a list of them',
    description:
      'What may be used in a day or a month: one, or a list of them. Without `store` each gate counts by itself, and begins anew ' +
      'when it is started: what was used before is forgotten.'
  })
)

const plainParts = {
  rpm: count('Requests in a minute, filled up continuously.'),
  tpm: count('Tokens in a minute, likewise: reserved before the call, settled after it.'),
  concurrent: count('Calls at once.'),
  shadow: shadow('true: they are counted and written down, but refuse nobody.')
}

const limitsSchema = (description: string) =>
  Type.Optional(Type.Object({ ...plainParts, budget: BudgetsSchema }, { additionalProperties: false, description }))

/** What an item of the YAML key `teams` says of limits. */
export const TeamLimitsSchemaParts = {
  limits: Type.Optional(
    Type.Object(plainParts, { additionalProperties: false, description: 'Limits of the team as a whole.' })
  ),
  budget: BudgetsSchema,
  per_user: limitsSchema('Limits of each of its subjects, instead of limits.default.'),
  per_model: Type.Optional(
    Type.Record(Type.String(), Type.Object({ ...plainParts, budget: BudgetsSchema }, { additionalProperties: false }), {
      description: 'Limits of the team as a whole for a model.'
    })
  ),
  suspended: Type.Boolean({ default: false, description: 'true: the team is refused, whatever its tokens say.' })
}

/** The key `models.*.limits`. */
export const ModelLimitsSchema = limitsSchema('Limits of the model, for all teams together.')

const weight = (standard: number, description: string) =>
  Type.Number({ minimum: 0, maximum: 1_000, default: standard, expected: 'a number from 0 to 1000', description })

/** The YAML key `limits`. */
export const LimitsSchema = Type.Object(
  {
    default: limitsSchema('Limits of each subject whose team has no per_user.'),
    per_ip: limitsSchema(
      'Limits of each address: an IPv4 address, or the network of an IPv6 one (`clients.ipv6_prefix`). Where a trusted proxy names none there are none.'
    ),
    global: limitsSchema('Limits of all calls together.'),
    reserve_output: Type.Enum(['p90', 'max_tokens', 'none'], {
      default: 'p90',
      description:
        'What is reserved for an answer: what nine of ten answers of the model stay below, all that the call allows, or nothing.'
    }),
    weights: Type.Object(
      {
        input: weight(1, 'How much a token of the input counts.'),
        cached: weight(1, 'Likewise, when it was found in a cache.'),
        output: weight(1, 'How much a token of the answer counts.')
      },
      { additionalProperties: false, default: {}, description: 'How much tokens count in limits of tokens.' }
    ),
    on_store_failure: Type.Enum(['local', 'deny', 'allow'], {
      default: 'local',
      description:
        'While the store is away: `local` limits by the share of this gate, `deny` refuses what is limited, `allow` limits nothing.'
    })
  },
  {
    additionalProperties: false,
    default: {},
    description: 'How much may be asked for. Nothing is limited unless given.'
  }
)

interface BudgetYaml {
  readonly tokens?: string | number
  readonly requests?: string | number
  readonly per: string
  readonly tz?: string
  readonly shadow?: boolean
}

interface LimitsYaml {
  readonly rpm?: string | number
  readonly tpm?: string | number
  readonly concurrent?: string | number
  readonly budget?: BudgetYaml | readonly BudgetYaml[]
  readonly shadow?: boolean
}

interface TeamYaml {
  readonly limits?: LimitsYaml
  readonly budget?: BudgetYaml | readonly BudgetYaml[]
  readonly per_user?: LimitsYaml
  readonly per_model?: Readonly<Record<string, LimitsYaml>>
  readonly suspended: boolean
}

/** Reads the keys `limits`, `teams` and `models`. @param caps `requests.caps` */
export function limitOptions(
  yaml: Static<typeof LimitsSchema>,
  teams: Readonly<Record<string, TeamYaml>>,
  models: Readonly<Record<string, { readonly limits?: LimitsYaml }>>,
  caps: { readonly maxTokens: number; readonly n: number; readonly prompts: number }
): LimitOptions {
  return {
    subject: limitsOf(yaml.default),
    ip: limitsOf(yaml.per_ip),
    global: limitsOf(yaml.global),
    teams: new Map(Object.entries(teams).map(([name, team]) => [name, teamLimits(team)])),
    models: limitsByName(Object.entries(models).map(([name, { limits }]) => [name, limits])),
    reserveOutput: yaml.reserve_output as ReserveOutput,
    weights: yaml.weights,
    onStoreFailure: yaml.on_store_failure as OnStoreFailure,
    maxTokens: caps.maxTokens,
    maxAnswers: caps.n * caps.prompts
  }
}

function teamLimits({ limits, budget, per_user: user, per_model: models = {}, suspended }: TeamYaml): TeamLimits {
  const ofTeam = { ...limits, ...(budget === undefined ? {} : { budget }) }
  return {
    team: limitsOf(limits === undefined && budget === undefined ? undefined : ofTeam),
    subject: limitsOf(user),
    models: limitsByName(Object.entries(models)),
    isSuspended: suspended
  }
}

function limitsByName(entries: readonly (readonly [string, LimitsYaml | undefined])[]): ReadonlyMap<string, Limits> {
  return new Map(
    entries.flatMap(([name, yaml]) => {
      const limits = limitsOf(yaml)
      return limits === null ? [] : [[name, limits] as const]
    })
  )
}

function limitsOf(yaml: LimitsYaml | undefined): Limits | null {
  if (yaml === undefined) return null
  const { rpm, tpm, concurrent, budget = [], shadow: isShadow = false } = yaml
  const budgets = (Array.isArray(budget) ? budget : [budget]) as readonly BudgetYaml[]
  return {
    rpm: amountOf(rpm),
    tpm: amountOf(tpm),
    concurrent: amountOf(concurrent),
    budgets: budgets.map(({ tokens, requests, per, tz = 'UTC', shadow: only = false }) => ({
      tokens: amountOf(tokens),
      requests: amountOf(requests),
      per: per as Period,
      tz,
      isShadow: only || isShadow
    })),
    isShadow
  }
}

function amountOf(text: string | number | undefined): number | null {
  return text === undefined ? null : readCount(text)
}
