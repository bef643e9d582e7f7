import t from 'tap'
import { SIGNALS } from '../../src/engines/signals.ts'
import { loadFromLoads, loadFromMetrics } from '../../src/route/load.ts'

const NAMES = SIGNALS.vllm.load?.kind === 'metrics' ? SIGNALS.vllm.load.names : null

t.test("vLLM's metrics: ranks are summed, the fullest cache counts, other names do not", async t => {
  if (NAMES === null) throw new Error('vLLM tells of its load')
  const text = `# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="m"} 3.0
vllm:num_requests_running{engine="1",model_name="m"} 2.0
vllm:num_requests_waiting{engine="0",model_name="m"} 7.0
vllm:num_requests_waiting_by_reason{engine="0",reason="x"} 99.0
vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.25
vllm:kv_cache_usage_perc{engine="1",model_name="m"} 0.75
process_cpu_seconds_total 12.5
`
  t.strictSame(loadFromMetrics(text, NAMES), { running: 5, waiting: 7, cacheUse: 0.75 })
  t.equal(loadFromMetrics('# nothing\nup 1\n', NAMES), null)
  t.equal(loadFromMetrics('vllm:num_requests_running NaN\n<html>', NAMES), null)
})

t.test("SGLang's loads: one entry per rank", async t => {
  const ranks = [
    { dp_rank: 0, num_running_reqs: 2, num_waiting_reqs: 1, token_usage: 0.4 },
    { dp_rank: 1, num_running_reqs: 3, num_waiting_reqs: 0, token_usage: 0.9 }
  ]
  t.strictSame(loadFromLoads(JSON.stringify({ loads: ranks })), { running: 5, waiting: 1, cacheUse: 0.9 })
  for (const text of ['', '[]', '{}', '{"loads":[]}', '{"loads":[7]}', 'null']) t.equal(loadFromLoads(text), null, text)
  t.strictSame(loadFromLoads('{"loads":[{"num_running_reqs":-1,"token_usage":"x"}]}'), {
    running: 0,
    waiting: 0,
    cacheUse: 0
  })
})
