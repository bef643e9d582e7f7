import { createHttp } from '../export/http.ts'
import { quoted } from '../export/sink.ts'
import type { Ms } from '../time.ts'
import { Increase, type Sample } from './increase.ts'

/** Prometheus cannot be asked, or has not answered the question. The message holds no secret. */
export class PrometheusError extends Error {}

/** What the engines have counted, by the name that they call a model by. */
export interface EngineSums {
  readonly byModel: ReadonlyMap<string, { input: number; output: number }>
  /** Counters that were read; none means that Prometheus does not know these engines. */
  readonly series: number
  readonly resets: number
  /** Counters that came up within the time, and what they stood at then. */
  readonly appeared: { readonly series: number; readonly tokens: number }
  /** What Prometheus itself says of its answers. */
  readonly warnings: readonly string[]
}

/** What is asked. */
export interface EngineQuestion {
  readonly fromMs: Ms
  readonly toMs: Ms
  /** More matchers, as in PromQL: `job="vllm"`. */
  readonly select: string
}

/**
 * The counters of engines that have some. vLLM counts a LoRA adapter under its base model; the ranks of a data-parallel engine,
 * and the processes of SGLang, are series of their own.
 */
const COUNTERS = {
  'vllm:prompt_tokens_total': 'input',
  'vllm:generation_tokens_total': 'output',
  'sglang:prompt_tokens_total': 'input',
  'sglang:generation_tokens_total': 'output'
} as const

const DAY_MS: Ms = 86_400_000
/** As long as Prometheus itself takes a reading for current. */
const LOOKBACK_MS: Ms = 300_000
const MAX_ANSWER_BYTES = 128 * 1024 * 1024

/**
 * Reads the counters of all engines from Prometheus: every sample, a day at a time.
 * @param at `http(s)://host:port`, with a path where there is one
 * @throws PrometheusError
 */
export async function askEngines(
  at: { readonly url: string; readonly token: string | null; readonly ca: string | null; readonly timeoutMs: Ms },
  question: EngineQuestion
): Promise<EngineSums> {
  const http = createHttp({ ...at, maxBytes: MAX_ANSWER_BYTES })
  const base = new URL(at.url).pathname.replace(/\/+$/, '')
  const warnings = new Set<string>()
  try {
    const { fromMs, toMs, select } = question
    const counters = new Map<string, { model: string; kind: 'input' | 'output'; increase: Increase }>()
    for (let begin = fromMs; begin < toMs; begin += DAY_MS) {
      const end = Math.min(toMs, begin + DAY_MS)
      const range = end - begin + (begin === fromMs ? LOOKBACK_MS : 0)
      for (const [name, kind] of Object.entries(COUNTERS)) {
        const query = `${name}{${select}}[${range}ms]`
        const path = `${base}/api/v1/query?${new URLSearchParams({ query, time: (end / 1000).toFixed(3) })}`
        const reply = await http.ask({ path }).catch(err => {
          throw new PrometheusError(`it does not answer (${err instanceof Error ? err.message : String(err)})`)
        })
        const answer = readAnswer(reply, at.token)
        for (const warning of answer.warnings) warnings.add(warning)
        for (const { labels, samples } of answer.series) {
          const key = JSON.stringify([name, Object.entries(labels).sort()])
          const counter = counters.get(key) ?? {
            model: labels.model_name ?? '',
            kind,
            increase: new Increase(fromMs, toMs)
          }
          counters.set(key, counter)
          counter.increase.add(samples)
        }
      }
    }
    return { ...summed([...counters.values()]), warnings: [...warnings] }
  } finally {
    http.close()
  }
}

function summed(
  counters: readonly { model: string; kind: 'input' | 'output'; increase: Increase }[]
): Omit<EngineSums, 'warnings'> {
  const byModel = new Map<string, { input: number; output: number }>()
  for (const { model, kind, increase } of counters) {
    const sums = byModel.get(model) ?? { input: 0, output: 0 }
    sums[kind] += increase.total
    byModel.set(model, sums)
  }
  const appeared = counters.filter(({ increase }) => increase.appearedAt > 0)
  return {
    byModel,
    series: counters.length,
    resets: counters.reduce((sum, { increase }) => sum + increase.resets, 0),
    appeared: {
      series: appeared.length,
      tokens: appeared.reduce((sum, { increase }) => sum + increase.appearedAt, 0)
    }
  }
}

interface Answer {
  readonly series: readonly { readonly labels: Readonly<Record<string, string>>; readonly samples: Sample[] }[]
  readonly warnings: readonly string[]
}

/** @see https://prometheus.io/docs/prometheus/latest/querying/api/ */
function readAnswer(reply: { status: number; body: string; isCut: boolean }, token: string | null): Answer {
  if (reply.isCut)
    throw new PrometheusError('its answer is too large; ask for a shorter time, or for less with --select')
  const body = parsed(reply.body)
  if (body?.status !== 'success') {
    const words = quoted(typeof body?.error === 'string' ? body.error : '', [token])
    throw new PrometheusError(`it answered ${reply.status}${words === '' ? '' : `: ${words}`}`)
  }
  const { resultType, result } = (body.data ?? {}) as { resultType?: unknown; result?: unknown }
  if (resultType !== 'matrix' || !Array.isArray(result)) throw new PrometheusError('its answer is no range of samples')
  return {
    warnings: Array.isArray(body.warnings) ? body.warnings.map(warning => quoted(String(warning), [token])) : [],
    series: result.map(({ metric, values }: { metric: Record<string, string>; values: [number, string][] }) => ({
      labels: metric,
      samples: values.map(([sec, value]) => ({ atMs: Math.round(sec * 1000), value: Number(value) }))
    }))
  }
}

function parsed(text: string): Record<string, unknown> | null {
  try {
    const value = JSON.parse(text)
    return typeof value === 'object' ? value : null
  } catch {
    return null
  }
}
