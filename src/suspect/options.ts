import { type Static, type TSchema, Type } from '../schema-types.ts'
import type { Ms } from '../time.ts'
import { COUNT, DURATION, readCount, readDurationMs } from '../units.ts'

/** What is done when a rule fires. `off`: it is not counted at all. */
export type Action = 'off' | 'log' | 'throttle' | 'ban'

/** What one kind of behaviour is judged by. */
export interface KindOptions {
  readonly action: Action
  /** More than so many. */
  readonly after: number
  /** Counted from the first of them on. */
  readonly withinMs: Ms
  /** How long a throttle or a ban lasts. */
  readonly forMs: Ms
  /** `token_sharing`: more networks than these. */
  readonly networks: number
  /** `rate_anomaly`: more than so many times the subject's own average. `abort_abuse`: more than this share. */
  readonly ratio: number
  /** `rate_anomaly`: tokens below which nothing is an anomaly. */
  readonly tokens: number
  /** `long_lived_token`: tokens that live longer. */
  readonly longerThanMs: Ms
}

type Defaults = Omit<KindOptions, 'action'> & {
  readonly about: string
  readonly most: number
  readonly more?: Readonly<Record<string, TSchema>>
}

const MINUTE: Ms = 60_000
const HOUR: Ms = 60 * MINUTE
const FOR = 5 * MINUTE
/** Different values are remembered one by one. */
const MOST_VALUES = 1_000
const none = { most: 1_000_000, forMs: FOR, networks: 0, ratio: 0, tokens: 0, longerThanMs: 0 }
const whole = (description: string) => Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, description }))

/**
 * Every kind and what it is judged by unless the operator says otherwise (operations.md section 4.5). All of them only log: an
 * address may be that of many people, and a subject may be a program that somebody has changed today.
 */
export const DEFAULTS = {
  forged_token: {
    ...none,
    after: 2,
    withinMs: 10 * MINUTE,
    about: 'An address sends tokens with a wrong signature or algorithm; `alg: none` once is enough.'
  },
  token_sharing: {
    ...none,
    most: MOST_VALUES,
    after: 5,
    withinMs: 10 * MINUTE,
    networks: 3,
    about: 'A token is used from many addresses, or many networks (/16, of IPv6 /32).',
    more: { networks: whole('More networks than these.') }
  },
  sub_fanout: {
    ...none,
    most: MOST_VALUES,
    after: 50,
    withinMs: 10 * MINUTE,
    about: 'An address calls as many subjects.'
  },
  model_probing: {
    ...none,
    most: MOST_VALUES,
    after: 10,
    withinMs: 10 * MINUTE,
    about: 'A subject asks for many different models or scopes that it may not have.'
  },
  path_probing: {
    ...none,
    most: MOST_VALUES,
    after: 20,
    withinMs: 5 * MINUTE,
    about: 'An address asks for many different paths that are not served, or asks without a token.'
  },
  rate_anomaly: {
    ...none,
    after: 300,
    withinMs: 5 * MINUTE,
    ratio: 10,
    tokens: 1_000_000,
    about:
      'A subject does far more than it did on average in the last day; `after` and `tokens` are the least that counts.',
    more: {
      times: whole('More than so many times its average.'),
      tokens: Type.Optional(
        Type.Union([Type.Integer({ minimum: 1 }), Type.String(COUNT)], {
          expected: COUNT.expected,
          description: 'Fewer tokens than these are no anomaly.'
        })
      )
    }
  },
  expired_replay: {
    ...none,
    after: 50,
    withinMs: HOUR,
    about: 'An address goes on with expired tokens; mostly a client that is broken.'
  },
  abort_abuse: {
    ...none,
    after: 50,
    withinMs: HOUR,
    ratio: 0.8,
    about:
      'A subject leaves most of its calls, streamed or not, before the engine has said what they used; at least this many calls.',
    more: {
      share: Type.Optional(
        Type.Number({ exclusiveMinimum: 0, exclusiveMaximum: 1, description: 'More than this share of them.' })
      )
    }
  },
  oversize: {
    ...none,
    after: 20,
    withinMs: 10 * MINUTE,
    about: 'A subject goes on with bodies that are too large, or longer than the model takes.'
  },
  long_lived_token: {
    ...none,
    after: 0,
    withinMs: 24 * HOUR,
    longerThanMs: 24 * HOUR,
    about: 'A subject uses a token that was made to live for too long.',
    more: { longer_than: Type.Optional(Type.String({ ...DURATION, description: 'Tokens that live longer.' })) }
  }
} as const satisfies Record<string, Defaults>

/** A kind of behaviour that rules tell of. */
export type Kind = keyof typeof DEFAULTS

/** Every kind. */
export const KINDS = Object.keys(DEFAULTS) as readonly Kind[]

/** What `suspect/` needs, from the YAML key `suspicious`. */
export interface SuspectOptions {
  readonly kinds: Readonly<Record<Kind, KindOptions>>
  /** Addresses and networks of which no rule about addresses tells (validated). */
  readonly except: readonly string[]
}

const ActionSchema = Type.Enum(['off', 'log', 'throttle', 'ban'], { description: 'What is done.' })

const kindSchema = ({ about, most, after, withinMs, more = {} }: Defaults) =>
  Type.Optional(
    Type.Union(
      [
        ActionSchema,
        Type.Object(
          {
            action: Type.Optional(ActionSchema),
            after: Type.Optional(
              Type.Integer({ minimum: 0, maximum: most, description: `More than so many; ${after} unless given.` })
            ),
            within: Type.Optional(
              Type.String({ ...DURATION, description: `In so long a time; ${withinMs / MINUTE}m unless given.` })
            ),
            for: Type.Optional(
              Type.String({ ...DURATION, description: 'How long a throttle or a ban lasts; 5m unless given.' })
            ),
            ...more
          },
          { additionalProperties: false }
        )
      ],
      { expected: '`off`, `log`, `throttle`, `ban`, or { action, after, within, for, … }', description: about }
    )
  )

/** The YAML key `suspicious`. */
export const SuspiciousSchema = Type.Object(
  {
    except: Type.Array(
      Type.String({ format: 'network', expected: 'an address or a network such as 10.0.0.0/8 or fd00::/8' }),
      { default: [], description: 'Addresses that many share: no rule about addresses tells of them.' }
    ),
    ...(Object.fromEntries(KINDS.map(kind => [kind, kindSchema(DEFAULTS[kind])])) as Record<
      Kind,
      ReturnType<typeof kindSchema>
    >)
  },
  {
    additionalProperties: false,
    default: {},
    description: 'What looks like misuse, and what is done then; `log` unless given.'
  }
)

interface KindYaml {
  readonly action?: string
  readonly after?: number
  readonly within?: string
  readonly for?: string
  readonly networks?: number
  readonly times?: number
  readonly share?: number
  readonly tokens?: number | string
  readonly longer_than?: string
}

/** Reads the key `suspicious`. */
export function suspectOptions(yaml: Static<typeof SuspiciousSchema>): SuspectOptions {
  const kinds = KINDS.map(kind => [kind, kindOptions(DEFAULTS[kind], yaml[kind] as string | KindYaml | undefined)])
  return { kinds: Object.fromEntries(kinds) as Record<Kind, KindOptions>, except: yaml.except }
}

function kindOptions(standard: Defaults, yaml: string | KindYaml = {}): KindOptions {
  const given: KindYaml = typeof yaml === 'string' ? { action: yaml } : yaml
  const duration = (text: string | undefined, otherwise: Ms) => (text === undefined ? otherwise : readDurationMs(text))
  return {
    action: (given.action ?? 'log') as Action,
    after: given.after ?? standard.after,
    withinMs: duration(given.within, standard.withinMs),
    forMs: duration(given.for, standard.forMs),
    networks: given.networks ?? standard.networks,
    ratio: given.times ?? given.share ?? standard.ratio,
    tokens: given.tokens === undefined ? standard.tokens : readCount(given.tokens),
    longerThanMs: duration(given.longer_than, standard.longerThanMs)
  }
}
