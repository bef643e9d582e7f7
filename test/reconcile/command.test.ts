import { writeFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { runReconcile } from '../../src/reconcile/command.ts'
import { segmentFile } from '../../src/segments/format.ts'
import { BOOT, segmentBytes, usageLine } from '../helpers/ledger-lines.ts'
import { startPrometheus, WITHOUT_PROMETHEUS } from '../helpers/prometheus.ts'
import { fileWithSinks } from '../helpers/sinks.ts'
import { Written } from '../helpers/written.ts'

const DAY = ['--from', '2026-11-23', '--to', '2026-11-24T00:00:00Z']
const NOON = Date.parse('2026-11-23T12:00:00Z') / 1000
const numbers = usageLine(0, null).data.usage

async function run(...args: string[]) {
  return await runIn({}, ...args)
}

async function runIn(env: NodeJS.ProcessEnv, ...args: string[]) {
  const [stdout, stderr] = [new Written(), new Written()]
  const code = await runReconcile(args, { stdout, stderr, env })
  return { code, stdout: stdout.text, stderr: stderr.text }
}

/** A ledger of 1000 tokens in and 200 out, half of them of an adapter. */
function ledger(t: Test): string {
  const usage = { ...numbers, input: 500, output: 100 }
  const line = (model_served: string) => (seq: number) => usageLine(seq, 0, { model_served, usage })
  const name = segmentFile({ instance: 'gw-0', boot: BOOT, number: 0, isOpen: false })
  return t.testdir({ [name]: segmentBytes({ lines: [line('base'), line('adapter')] }).bytes })
}

t.test(
  'a ledger against a real Prometheus: as a table, CSV and JSON, and by the exit code',
  WITHOUT_PROMETHEUS,
  async t => {
    const labels = { model_name: 'base' }
    const url = await startPrometheus(t, [
      {
        name: 'vllm:prompt_tokens_total',
        labels,
        samples: [
          [NOON - 43_200, 10],
          [NOON, 400],
          [NOON + 60, 1_010]
        ]
      },
      {
        name: 'vllm:generation_tokens_total',
        labels,
        samples: [
          [NOON - 43_200, 10],
          [NOON, 100],
          [NOON + 60, 220]
        ]
      }
    ])
    const dir = ledger(t)
    const args = ['--prometheus', url, '--dir', dir, ...DAY, '--map', 'adapter=base']

    const table = await run(...args)
    t.equal(table.code, 1)
    t.match(table.stdout, /^base +input +1000 +1000 +0 +0\.00 %$/m)
    t.match(table.stdout, /^base +output +200 +210 +-10 +-4\.76 % +OVER$/m)
    t.match(table.stdout, /MORE than 1 % apart\n$/)
    t.equal(table.stderr, '')
    t.match(await run(...args, '--threshold', '5'), { code: 0, stdout: /no more than 5 % apart\n$/ })
    t.match(await run(...args, '--format', 'csv'), { code: 1, stdout: /^base,output,200,210,-10,-4\.7619,true\r$/m })
    const { stdout } = await run(...args, '--format', 'json')
    t.match(JSON.parse(stdout), {
      ok: false,
      from: '2026-11-23T00:00:00.000Z',
      rows: [{ over: false }, { over: true }]
    })

    t.match(await run('--prometheus', url, '--dir', dir, ...DAY), { code: 1, stdout: /no counter of adapter; .*--map/ })
    const file = `${t.testdir()}/t.yaml`
    writeFileSync(file, fileWithSinks(dir, '{}'))
    t.match(await run('--prometheus', url, '--config', file, ...DAY, '--map', 'adapter=base'), {
      code: 1,
      stdout: /OVER/
    })
    t.match(await run(...args, '--select', 'job="none"'), {
      code: 2,
      stderr:
        'tollgate usage reconcile: Prometheus: it has no tokens of vLLM or SGLang in this time with job="none"; does it look at the engines?.\n'
    })
  }
)

t.test('wrong usage is said', async t => {
  const dir = ledger(t)
  const good = ['--prometheus', 'http://127.0.0.1:9', '--dir', dir, ...DAY]
  const wrong = async (message: RegExp, ...args: string[]) => t.match(await run(...args), { code: 2, stderr: message })
  await wrong(/--prometheus URL is missing/, '--dir', dir, ...DAY)
  await wrong(/--from TIME is missing/, '--prometheus', 'http://p', '--dir', dir)
  await wrong(/either --config FILE or --dir DIR/, '--prometheus', 'http://p', ...DAY)
  await wrong(/either --config FILE or --dir DIR/, ...good, '--config', 'x')
  await wrong(/--from is a time/, ...good, '--from', 'yesterday')
  await wrong(/--from is a time/, ...good, '--from', '2026-11-23T10:00:00')
  await wrong(/--to is a time/, ...good, '--to', '2026-13-01')
  await wrong(/--from has to be before --to/, ...good, '--to', '2026-11-23')
  await wrong(/--map is NAME=NAME/, ...good, '--map', 'x')
  await wrong(/--threshold is a number/, ...good, '--threshold=-1')
  await wrong(/--timeout is a duration/, ...good, '--timeout', '5')
  await wrong(/--format is table, csv or json/, ...good, '--format', 'xml')
  await wrong(/--ca .* cannot be read \(ENOENT\)/, ...good, '--ca', `${dir}/none`)
  await wrong(/--prometheus is an http or https URL/, ...good, '--prometheus', 'ftp://p')
  await wrong(/the ledger in .* cannot be read \(ENOENT\)/, '--prometheus', 'http://p', '--dir', `${dir}/none`, ...DAY)
  await wrong(/Prometheus: it does not answer \(ECONNREFUSED\)/, ...good)
  t.match(await run('--help'), { code: 0, stdout: /^Usage: tollgate usage reconcile/ })
})

t.test('secrets stand neither in arguments nor in clear on the network', async t => {
  const args = ['--dir', ledger(t), ...DAY]
  const inUrl = await run('--prometheus', 'https://u:secret-9@p/', ...args)
  t.match(inUrl, { code: 2, stderr: /give a token in TOLLGATE_PROMETHEUS_TOKEN/ })
  t.notMatch(inUrl.stderr, 'secret-9')
  t.match(await runIn({ TOLLGATE_PROMETHEUS_TOKEN: 'secret-9' }, '--prometheus', 'http://prometheus:9090', ...args), {
    code: 2,
    stderr: /is not sent over http to another machine/
  })
})
