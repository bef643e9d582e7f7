import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { runReport } from '../../src/bill/report-command.ts'
import { type Use, writeSegment } from '../helpers/bills.ts'
import { PRICES } from '../helpers/price-lists.ts'
import { Written } from '../helpers/written.ts'

const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url))
const NOW = Date.parse('2026-11-25T12:00:00Z')

function run(...args: string[]): { code: number; stdout: string; stderr: string } {
  const [stdout, stderr] = [new Written(), new Written()]
  const code = runReport(args, { stdout, stderr }, NOW)
  return { code, stdout: stdout.text, stderr: stderr.text }
}

const USES: readonly Use[] = [
  { team: 'red', model_served: 'qwen3-8b', usage: { input: 2_000_000, output: 1_000_000 } },
  { team: 'blue', model_served: 'qwen3-8b', usage: { source: 'estimated', input: 1_000_000, output: 0 } },
  { team: 'blue', model_served: 'llama', time: '2026-11-24T23:59:59.999Z' },
  { team: 'blue', model_served: 'qwen3-8b', time: '2026-10-31T20:00:00.000Z' }
]

function ledger(t: Test, uses = USES): { dir: string; prices: string } {
  const root = t.testdir({ usage: {}, 'prices.yaml': PRICES })
  writeSegment(`${root}/usage`, uses)
  return { dir: `${root}/usage`, prices: `${root}/prices.yaml` }
}

t.test('this month, by team and model, and what it costs', async t => {
  const { dir, prices } = ledger(t)
  t.strictSame(run('--dir', dir, '--prices', prices, '--decimals', '2'), {
    code: 0,
    stdout: `${dir}, 2026-11-01 to 2026-11-25 (UTC)

team   model     requests  errors    input   output  estimated                       USD
blue   llama            1       0        3        0        0 %                  no price
blue   qwen3-8b         1       0  1000000        0    100.0 %                      0.17
red    qwen3-8b         1       0  2000000  1000000        0 %                      0.50
total                   3       0  3000003  1000000     24.9 %  0.67 + 1 without a price
`,
    stderr: ''
  })
})

t.test('a program reads the same as CSV or JSON', async t => {
  const { dir, prices } = ledger(t)
  const csv = run('--dir', dir, '--prices', prices, '--by', 'day', '--format', 'csv', '--decimals', '2').stdout
  t.strictSame(
    csv.split('\r\n').map(line => line.split(',').slice(0, 2).join(' ')),
    ['day requests', '2026-11-23 2', '2026-11-24 1', '']
  )
  const json = run('--dir', dir, '--by', 'sub', '--format', 'json', '--from', '2026-10', '--tz', 'Asia/Shanghai')
  t.match(JSON.parse(json.stdout), {
    dir,
    from: '2026-10-01',
    to: '2026-11-25',
    time_zone: 'Asia/Shanghai',
    by: ['sub'],
    as_of: '2026-11-25T12:00:00.000Z',
    currency: null,
    damaged: { lines: 0, first: [] },
    rows: [{ sub: 'u-1', iss: 'https://idp.example.com', requests: 4 }],
    total: { requests: 4, untold: 0 }
  })
})

t.test('days are those of the zone: a call at eight in the evening in UTC is of the next day in Shanghai', async t => {
  const { dir } = ledger(t)
  const requests = (...args: string[]) =>
    JSON.parse(run('--dir', dir, '--format', 'json', '--by', '', ...args).stdout).total.requests
  t.equal(requests('--from', '2026-11-01'), 3)
  t.equal(requests('--from', '2026-11-01', '--tz', 'Asia/Shanghai'), 4)
  t.equal(requests('--to', '2026-10'), 1)
  t.equal(requests('--from', '2026-11-24', '--to', '2026-11-24'), 1)
})

t.test('what was added up before is kept, and what has come since is added', async t => {
  const { dir } = ledger(t)
  const requests = () => JSON.parse(run('--dir', dir, '--format', 'json', '--by', '').stdout).total.requests
  t.equal(requests(), 3)
  t.ok(existsSync(`${dir}/rollup.sqlite`))
  writeSegment(dir, USES, { number: 1, isSealed: false })
  t.equal(requests(), 6)
  t.equal(requests(), 6)
  writeFileSync(`${dir}/rollup.sqlite`, 'no database'.repeat(1000))
  t.match(run('--dir', dir), { code: 2, stderr: /may be deleted/ })
})

t.test('who may read a ledger and not write there gets the same report', async t => {
  const { dir } = ledger(t)
  chmodSync(dir, 0o555)
  // The superuser may write anywhere.
  const nobody = process.getuid?.() === 0 ? { uid: 65_534 } : {}
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [CLI, 'usage', 'report', '--dir', dir, '--from', '2026-10', '--to', '2026-11'],
    { ...nobody, encoding: 'utf8' }
  )
  chmodSync(dir, 0o755)
  t.match({ status, stdout, stderr }, { status: 0, stderr: /everything is read anew/, stdout: /total +4 / })
})

t.test(
  'lines that cannot be read are told of, with file and line, and by the exit code; the others are reported',
  async t => {
    const { dir } = ledger(t)
    const path = writeSegment(dir, USES, { number: 1 })
    writeFileSync(path, readFileSync(path, 'latin1').replace('"output":1000000', '"output":9000000'), 'latin1')
    const { code, stdout, stderr } = run('--dir', dir, '--by', 'team')
    t.equal(code, 1)
    t.match(stderr, /^usage-gw-0-\S+-000001\.jsonl: line 2: not what was written, and not counted\n1 line could not/)
    t.match(stdout, /blue +4 /)
    t.match(JSON.parse(run('--dir', dir, '--format', 'json').stdout).damaged, {
      lines: 1,
      first: [{ line: 2, kind: 'changed' }]
    })
    t.equal(run('--dir', dir, '--from', '2026-09', '--to', '2026-09').code, 0)
  }
)

t.test('a configuration says where the ledger is, which days it has, and what things cost', async t => {
  const { dir } = ledger(t)
  const file = `${dir}/../tollgate.yaml`
  const yaml = (metering: string) => `
issuers: [{ issuer: "https://idp.example.com", audience: inference }]
pools: { p: { engine: vllm, targets: ["http://gpu1:8000"] } }
teams: { red: { pool: p } }
${metering}`
  writeFileSync(file, yaml('metering: { dir: usage, prices: prices.yaml, time_zone: Asia/Shanghai }'))
  t.match(run('--config', file), { code: 0, stdout: /\(Asia\/Shanghai\)[\s\S]* USD\n[\s\S]*no price/ })
  writeFileSync(file, yaml(''))
  t.match(run('--config', file), { code: 2, stderr: /no 'metering.dir'/ })
  writeFileSync(file, yaml('metering: { dir: usage, time_zone: Atlantis }'))
  t.match(run('--config', file), {
    code: 2,
    stderr: /tollgate.yaml:\d+:\d+ error E205 metering.time_zone must be a time zone/
  })
})

t.test('every mistake has its own words', async t => {
  const { dir, prices } = ledger(t)
  const wrong = (words: RegExp, ...args: string[]) => {
    const { code, stdout, stderr } = run(...args)
    t.match({ code, stdout, stderr }, { code: 2, stdout: '', stderr: words })
  }
  wrong(/--dir DIR or --config FILE is missing/)
  wrong(/no time zone "Europe\/Berln"; did you mean "Europe\/Berlin"\?/, '--dir', dir, '--tz', 'Europe/Berln')
  wrong(/no time zone "x"; names are such as/, '--dir', dir, '--tz', 'x')
  wrong(/--from 2026-02-30 is no day/, '--dir', dir, '--from', '2026-02-30')
  wrong(/2026-11-02, comes after the last, 2026-11-01/, '--dir', dir, '--from', '2026-11-02', '--to', '2026-11-01')
  wrong(/more than ten years/, '--dir', dir, '--from', '1990-01-01')
  wrong(/--by knows no "modle"; did you mean "model"\?/, '--dir', dir, '--by', 'team,modle')
  wrong(/--by names something twice/, '--dir', dir, '--by', 'team,team')
  wrong(/--format is table, csv or json, not "xml"/, '--dir', dir, '--format', 'xml')
  wrong(/--decimals is a number from 0 to 9/, '--dir', dir, '--decimals', '12')
  wrong(/there is no such folder/, '--dir', `${dir}/none`)
  wrong(/it is no folder/, '--dir', prices)
  wrong(/none.yaml:1:1 error E100 the file cannot be read \(ENOENT\)/, '--dir', dir, '--prices', `${dir}/none.yaml`)
  writeFileSync(prices, PRICES.replace('"0.10"', '0.10'))
  wrong(
    /prices.yaml:6:\d+ error E205 .* must be a price in quotes[\s\S]*quote it[\s\S]*nothing was reported/,
    '--dir',
    dir,
    '--prices',
    prices
  )
})

t.test('long work is told of on a terminal, and nowhere else', async t => {
  const { dir } = ledger(t)
  // Longer than a terminal is left alone.
  const uses = Array.from({ length: 12_000 }, (_, n) => ({ sub: `u-${n}` }))
  for (let number = 1; number < 4; number++) writeSegment(dir, uses, { number })
  const report = (isTTY: boolean) => {
    rmSync(`${dir}/rollup.sqlite`, { force: true })
    const stderr = Object.assign(new Written(), { isTTY })
    t.equal(runReport(['--dir', dir], { stdout: new Written(), stderr }, NOW), 0)
    return stderr.text
  }
  t.match(report(true), /reading the ledger: \d+ %, \d+ new records/)
  t.equal(report(false), '')
})
