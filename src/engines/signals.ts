import type { Engine } from './table.ts'

/** Names of metrics; several where releases differ. */
export interface LoadNames {
  readonly running: readonly string[]
  readonly waiting: readonly string[]
  readonly cacheUse: readonly string[]
}

/** How an engine is asked, at no cost to it, whether it is well and how much it has to do (engines.md section 5). */
export interface Signals {
  /**
   * Answered by a server that can take requests. `json-status`: the body's `status` must be `healthy` too, because a
   * sleeping engine answers 200.
   */
  readonly health: { readonly path: string; readonly wants: 'ok' | 'json-status' | 'any' }
  /** Where its load stands, or null when it tells of none. */
  readonly load:
    | { readonly path: string; readonly kind: 'metrics'; readonly names: LoadNames }
    | { readonly path: string; readonly kind: 'loads' }
    | null
}

/** Never SGLang's `/health`: it runs a generation, and waits up to 20 s for it. */
export const SIGNALS: Readonly<Record<Engine, Signals>> = {
  vllm: {
    health: { path: '/health', wants: 'ok' },
    load: {
      path: '/metrics',
      kind: 'metrics',
      names: {
        running: ['vllm:num_requests_running'],
        waiting: ['vllm:num_requests_waiting'],
        cacheUse: ['vllm:kv_cache_usage_perc', 'vllm:gpu_cache_usage_perc']
      }
    }
  },
  sglang: {
    health: { path: '/ping', wants: 'any' },
    load: { path: '/v1/loads?include=core', kind: 'loads' }
  },
  lmdeploy: {
    health: { path: '/health', wants: 'json-status' },
    load: {
      path: '/metrics',
      kind: 'metrics',
      names: {
        running: ['lmdeploy:num_requests_running'],
        waiting: ['lmdeploy:num_requests_waiting'],
        cacheUse: ['lmdeploy:gpu_cache_usage_perc']
      }
    }
  },
  swift: { health: { path: '/health', wants: 'ok' }, load: null },
  // Of a server that nobody knows, every answer of HTTP below 500 is a sign of life.
  openai: { health: { path: '/health', wants: 'any' }, load: null }
}
