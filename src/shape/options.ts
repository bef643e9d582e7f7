import type { UsageMode } from '../engines/usage.ts'
import { type Static, Type } from '../schema-types.ts'
import { COUNT, readCount } from '../units.ts'
import type { MediaPolicy } from './media.ts'

/** What `shape/` needs, from the YAML keys `requests.caps`, `requests.media`, `requests.extra_fields` and `pools.*.isolate_cache`. */
export interface ShapeOptions {
  readonly caps: CapOptions
  /** Members that the operator lets through besides those of each operation. */
  readonly extraFields: readonly string[]
  readonly media: MediaPolicy
  /** Pool → what its caches are kept apart by. */
  readonly pools: ReadonlyMap<string, PoolShape>
}

/** How much one call may ask for. */
export interface CapOptions {
  readonly n: number
  readonly maxTokens: number
  readonly logprobs: number
  readonly prompts: number
}

/** The part of a pool that shaping needs. */
export interface PoolShape {
  readonly isolateCache: boolean
  /** From which the keys of its caches are made, the same for every gate that has it; null: of this process alone. */
  readonly secret: string | null
  /** How the usage of calls is asked for. */
  readonly usage: UsageMode
}

const count = (standard: string, description: string) =>
  Type.Union([Type.Integer({ minimum: 1 }), Type.String(COUNT)], {
    default: standard,
    expected: COUNT.expected,
    description
  })

/** The keys of `requests` that shape bodies. */
export const ShapeSchemaParts = {
  media: Type.Object(
    {
      urls: Type.Enum(['deny', 'named'], {
        default: 'deny',
        description: '`deny`: media come as data: URLs alone. `named`: also from `allow_hosts`, by https.'
      }),
      allow_hosts: Type.Array(
        Type.String({
          pattern: '^[a-z0-9-]+(\\.[a-z0-9-]+)+$',
          expected: 'the name of a host such as media.example.com'
        }),
        {
          default: [],
          description: 'Hosts from which engines may fetch media. They follow redirects: name none that redirects.'
        }
      )
    },
    { additionalProperties: false, default: {}, description: 'From where pictures, sound and video may come.' }
  ),
  caps: Type.Object(
    {
      n: count('4', 'Most answers to one prompt: `n` and `best_of`.'),
      max_tokens: count('32K', 'Longest answer in tokens, by any of its names; more is refused.'),
      logprobs: count('5', 'Most alternatives for each token: `logprobs`, `top_logprobs`.'),
      prompts: count('64', 'Most prompts in one call.')
    },
    { additionalProperties: false, default: {}, description: 'How much one call may ask for.' }
  ),
  extra_fields: Type.Array(Type.String({ pattern: '^[a-z][a-z0-9_]{0,63}$', expected: 'a name such as ignore_eos' }), {
    default: [],
    description: 'Fields that engines get besides those of the APIs; others are left out and named in the audit log.'
  })
}

/** The key `pools.*.isolate_cache`. */
export const IsolateCacheSchema = Type.Boolean({
  default: true,
  description:
    'Keeps the prefix caches of teams apart (vLLM and SGLang), so that no team can time the prompts of another.'
})

const ShapeSchema = Type.Object(ShapeSchemaParts)

/** Reads the keys `requests.caps`, `requests.extra_fields`, and the shaping part of `pools`. */
export function shapeOptions(
  requests: Static<typeof ShapeSchema>,
  pools: readonly (PoolShape & { readonly name: string })[]
): ShapeOptions {
  const { n, max_tokens: maxTokens, logprobs, prompts } = requests.caps
  return {
    caps: {
      n: readCount(n),
      maxTokens: readCount(maxTokens),
      logprobs: readCount(logprobs),
      prompts: readCount(prompts)
    },
    media: { hosts: new Set(requests.media.urls === 'named' ? requests.media.allow_hosts : []) },
    extraFields: requests.extra_fields,
    pools: new Map(pools.map(({ name, ...pool }) => [name, pool]))
  }
}
