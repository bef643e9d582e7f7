import { type Static, Type } from '../schema-types.ts'
import { COUNT, readCount } from '../units.ts'

/** What `metrics/` needs, from the YAML keys `metrics` and `alerts`. */
export interface MetricsOptions {
  /** So many subjects are shown by name. */
  readonly topSubjects: number
  /** What subjects are hashed with before they are shown, or null: they are shown as they are. */
  readonly subjectKey: string | null
  readonly perUser: readonly Threshold[]
}

/** More than this in a minute is written down, once for each subject and minute. */
export interface Threshold {
  readonly name: string
  /** Infinity where it is about tokens alone. */
  readonly requestsPerMinute: number
  /** Infinity where it is about requests alone. */
  readonly tokensPerMinute: number
}

const perMinute = (description: string) =>
  Type.Optional(
    Type.Union([Type.Integer({ minimum: 1 }), Type.String(COUNT)], { expected: COUNT.expected, description })
  )

/** The YAML key `metrics`. */
export const MetricsSchema = Type.Object(
  {
    top_subjects: Type.Integer({
      minimum: 0,
      maximum: 200,
      default: 20,
      description: 'So many subjects with the most requests, and with the most tokens, are shown; 0 shows none.'
    }),
    subject_key: Type.Optional(
      Type.String({
        secret: true,
        pattern: '^[\\x21-\\x7e]{32,}$',
        expected: 'at least 32 printable characters',
        description:
          'Subjects are shown as the first 16 hex digits of their HMAC-SHA-256 with this key, here and in the log of the ' +
          'operator. Without it they are shown as they are.'
      })
    )
  },
  { additionalProperties: false, default: {}, description: 'What `/metrics` shows.' }
)

/** The YAML key `alerts`. */
export const AlertsSchema = Type.Object(
  {
    per_user: Type.Array(
      Type.Object(
        {
          name: Type.String({
            pattern: '^[a-z][a-z0-9_-]{0,63}$',
            expected: 'a name such as busy',
            description: 'What it is called in metrics and logs.'
          }),
          requests_per_minute: perMinute('More requests than this in a minute.'),
          tokens_per_minute: perMinute('More tokens of input and output than this in a minute.')
        },
        { additionalProperties: false }
      ),
      {
        maxItems: 8,
        default: [],
        expected: 'a list of at most 8 thresholds',
        description: 'Thresholds for each subject: one that is over it is counted, logged and written to the audit log.'
      }
    )
  },
  { additionalProperties: false, default: {}, description: 'What operators are told of.' }
)

/** Reads the keys `metrics` and `alerts`. */
export function metricsOptions(
  metrics: Static<typeof MetricsSchema>,
  alerts: Static<typeof AlertsSchema>
): MetricsOptions {
  return {
    topSubjects: metrics.top_subjects,
    subjectKey: metrics.subject_key ?? null,
    perUser: alerts.per_user.map(({ name, requests_per_minute: requests, tokens_per_minute: tokens }) => ({
      name,
      requestsPerMinute: limitOf(requests),
      tokensPerMinute: limitOf(tokens)
    }))
  }
}

function limitOf(count: string | number | undefined): number {
  return count === undefined ? Number.POSITIVE_INFINITY : readCount(count)
}
