import { type Static, Type } from '../schema-types.ts'
import { DECIMAL, PERCENT } from './money.ts'

/** What `bill/` needs, from the YAML key `metering`. */
export interface BillOptions {
  /** Absolute. */
  readonly prices: string | null
  readonly timeZone: string
}

const zone = { format: 'time-zone', expected: 'a time zone such as Europe/Berlin' } as const

/** Parts of the YAML key `metering`. */
export const BillSchemaParts = {
  time_zone: Type.String({
    ...zone,
    default: 'UTC',
    description: 'In which days and months begin, for `usage report` and `GET /v1/me/usage`.'
  }),
  prices: Type.Optional(
    Type.String({
      minLength: 1,
      description: 'A price file for `usage report`. `check` reads it too; the gate itself does not.'
    })
  )
}

/** Reads its part of the key `metering`. @param resolve makes a path absolute */
export function billOptions(
  yaml: { readonly time_zone: string; readonly prices?: string | undefined } | undefined,
  resolve: (path: string) => string
): BillOptions {
  return {
    prices: yaml?.prices === undefined ? null : resolve(yaml.prices),
    timeZone: yaml?.time_zone ?? 'UTC'
  }
}

const Price = (of: string) =>
  Type.Optional(
    Type.String({
      pattern: DECIMAL.source,
      expected: 'a price in quotes such as "0.20", with at most nine digits behind the point',
      description: of
    })
  )
const Glob = (of: string) => Type.Optional(Type.String({ minLength: 1, maxLength: 256, description: of }))
const DayOf = (of: string) =>
  Type.Optional(
    Type.String({ pattern: '^\\d{4}-\\d{2}-\\d{2}$', expected: 'a day such as 2026-11-01', description: of })
  )

const MatchParts = {
  model: Glob('Names of models; `*` stands for anything.'),
  op: Glob('What is asked for: `chat`, `embeddings`, `transcription`, …; `*` stands for anything.'),
  team: Glob('Names of teams; `*` stands for anything.')
}
const DaysParts = {
  from: DayOf('The first day; absent: ever since.'),
  to: DayOf('The last day; absent: from then on.')
}

/** A price file. */
export const PriceFileSchema = Type.Object(
  {
    currency: Type.String({ pattern: '^[A-Z]{3}$', expected: 'three capital letters such as USD' }),
    time_zone: Type.String({ ...zone, default: 'UTC' }),
    prices: Type.Array(
      Type.Object(
        {
          match: Type.Object(MatchParts, { additionalProperties: false, default: {} }),
          ...DaysParts,
          per_million: Type.Optional(
            Type.Object(
              { input: Price('Tokens.'), cached_input: Price('Those from a cache.'), output: Price('Tokens.') },
              { additionalProperties: false }
            )
          ),
          per_audio_minute: Price('Of sound.'),
          per_request: Price('That an engine took.')
        },
        { additionalProperties: false }
      ),
      { minItems: 1 }
    ),
    discounts: Type.Array(
      Type.Object(
        {
          ...MatchParts,
          ...DaysParts,
          percent: Type.Union([Type.Integer({ minimum: 0, maximum: 100 }), Type.String({ pattern: PERCENT.source })], {
            expected: 'a percentage from 0 to 100, such as 15 or "12.5"'
          })
        },
        { additionalProperties: false }
      ),
      { default: [] }
    )
  },
  { additionalProperties: false }
)

/** A price file after validation, with its defaults in place. */
export type PriceFile = Static<typeof PriceFileSchema>
