import type { Facts } from '../../src/probe/facts.ts'

/** The facts of a vLLM that has a key and serves `qwen`, but for what a test says. */
export function someFacts(more: Partial<Facts> = {}): Facts {
  return {
    pool: 'p',
    engine: 'vllm',
    target: 'http://gpu1:8000',
    hasKey: true,
    models: { is: 'said', value: { names: ['qwen'], owners: ['vllm'] } },
    keyless: 401,
    routes: { is: 'said', value: ['GET /health', 'GET /load'] },
    version: '0.32.0',
    looksLike: 'vllm',
    sweep: { asked: true, answers: new Map(), stoppedAt: null },
    ...more
  }
}
