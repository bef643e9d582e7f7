import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { askEngines } from '../../src/reconcile/prometheus.ts'
import { startPrometheus, WITHOUT_PROMETHEUS } from '../helpers/prometheus.ts'

const FROM = Date.parse('2026-10-01') / 1000
const HOUR = 3_600
const at = (url: string) => ({ url, token: null, ca: null, timeoutMs: 10_000 })
const days = (count: number) => ({ fromMs: FROM * 1000, toMs: (FROM + count * 24 * HOUR) * 1000, select: '' })

/** Readings each quarter of an hour. @param value by the number of hours since the beginning */
function hourly(from: number, to: number, value: (hours: number) => number): [number, number][] {
  return Array.from({ length: (to - from) * 4 + 1 }, (_, n) => [FROM + from * HOUR + n * 900, value(from + n / 4)])
}

t.test(
  'a real Prometheus: days, resets, engines that come up and go, every rank and every engine',
  WITHOUT_PROMETHEUS,
  async t => {
    const url = await startPrometheus(t, [
      // Its readings do not stand at the edges.
      {
        name: 'vllm:prompt_tokens_total',
        labels: { model_name: 'base', engine: '0', instance: 'a' },
        samples: hourly(-1, 72, hours => 5_000 + hours * 100).map(([sec, value]) => [sec - 60, value])
      },
      {
        name: 'vllm:prompt_tokens_total',
        labels: { model_name: 'base', engine: '1', instance: 'a' },
        samples: hourly(-1, 72, () => 77)
      },
      // Began anew in the middle of the second day.
      {
        name: 'vllm:generation_tokens_total',
        labels: { model_name: 'base', engine: '0', instance: 'a' },
        samples: [...hourly(-1, 36, hours => 1_000 + hours * 10), ...hourly(36.25, 72, hours => (hours - 36) * 40)]
      },
      // Came up, and went.
      {
        name: 'vllm:generation_tokens_total',
        labels: { model_name: 'base', instance: 'b' },
        samples: hourly(30, 40, hours => 8 + (hours - 30) * 2)
      },
      {
        name: 'sglang:prompt_tokens_total',
        labels: { model_name: 'other' },
        samples: hourly(-1, 72, hours => 500 + hours)
      },
      {
        name: 'sglang:generation_tokens_total',
        labels: { model_name: 'other', cluster: 'x' },
        samples: hourly(-1, 72, hours => 500 + hours * 4)
      },
      { name: 'tollgate_input_tokens_total', labels: { model: 'base' }, samples: hourly(-1, 72, () => 1) }
    ])

    const sums = await askEngines(at(url), days(3))
    // The last reading up to the beginning is a minute old, and so is the last one up to the end.
    t.equal(sums.byModel.get('base')?.input, 7_200)
    t.equal(sums.byModel.get('base')?.output, 36 * 10 + 36 * 40 + 8 + 20)
    t.strictSame(sums.byModel.get('other'), { input: 72, output: 288 })
    t.equal(sums.series, 6)
    t.equal(sums.resets, 1)
    t.strictSame(sums.appeared, { series: 1, tokens: 8 })
    t.strictSame(sums.warnings, [])

    const some = await askEngines(at(`${url}/`), { ...days(1), select: 'cluster="x"' })
    t.strictSame([...some.byModel], [['other', { input: 0, output: 96 }]])
    t.equal((await askEngines(at(url), { ...days(1), select: 'cluster="y"' })).series, 0)
    await t.rejects(askEngines(at(url), { ...days(1), select: 'nonsense' }), {
      message: /^it answered 400: .*parse error/
    })
  }
)

/** Answers that no Prometheus gives without trouble of its own. */
async function answering(t: Test, status: number, body: string): Promise<string> {
  const server = createServer((_, response) =>
    response.writeHead(status, { location: 'http://127.0.0.1:9/' }).end(body)
  )
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

t.test('whatever else is answered is said to be no answer, without the token', async t => {
  for (const [status, body, message] of [
    [503, '{"status":"error","errorType":"unavailable","error":"no secret-1 store"}', 'it answered 503: no •••• store'],
    [401, 'Unauthorized', 'it answered 401'],
    [302, '', 'it answered 302'],
    [200, '<html>', 'it answered 200'],
    [200, 'null', 'it answered 200'],
    [200, '{"status":"success","data":{"resultType":"vector","result":[]}}', 'its answer is no range of samples']
  ] as const) {
    const url = await answering(t, status, body)
    await t.rejects(askEngines({ ...at(url), token: 'secret-1' }, days(1)), { message })
  }
  await t.rejects(askEngines(at('http://127.0.0.1:9'), days(1)), { message: 'it does not answer (ECONNREFUSED)' })
})

t.test('what Prometheus warns of is told', async t => {
  const url = await answering(
    t,
    200,
    '{"status":"success","warnings":["half a store"],"data":{"resultType":"matrix","result":[]}}'
  )
  t.strictSame((await askEngines(at(url), days(1))).warnings, ['half a store'])
})
