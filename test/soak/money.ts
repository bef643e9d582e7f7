import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Engine } from '../../src/engines/table.ts'
import { countMoney, type MoneyRow, sumsOf } from '../helpers/money.ts'

const HELP = `Usage: npm run money -- [--calls N] [--engines NAMES] [--seed N]

Calls of every kind, streamed or not, on doubles of every engine, a third of them left at random moments, with and without a
ledger: what limits and ledger have charged beside what the engines have made. Exit code 1 when a team is charged more than
5 % beside it, or a way of leaving pays less than 75 %.

  --calls N       in all (2000)
  --engines NAMES some of vllm,sglang,lmdeploy,swift,openai (all of them)
  --seed N        other calls (1)
`
const ENGINES: readonly Engine[] = ['vllm', 'sglang', 'lmdeploy', 'swift', 'openai']

const { values } = parseArgs({
  options: {
    calls: { type: 'string', default: '2000' },
    engines: { type: 'string', default: ENGINES.join(',') },
    seed: { type: 'string', default: '1' },
    help: { type: 'boolean', short: 'h' }
  }
})
if (values.help) {
  process.stdout.write(HELP)
  process.exit()
}

const off = (charged: number, made: number) => (made === 0 ? 0 : (charged / made - 1) * 100)
const percent = (charged: number, made: number) => `${off(charged, made).toFixed(1).padStart(7)} %`

function report(rows: readonly MoneyRow[], key: (row: MoneyRow) => string): void {
  for (const [name, { made, limits, ledger }] of [...sumsOf(rows, key)].sort()) {
    console.log(`  ${name.padEnd(28)} ${String(made).padStart(9)} ${percent(limits, made)} ${percent(ledger, made)}`)
  }
}

let isWrong = false
const all: MoneyRow[] = []
const names = values.engines.split(',') as Engine[]
for (const engine of names) {
  for (const isMetered of [true, false]) {
    const dir = mkdtempSync(join(tmpdir(), 'tollgate-money-'))
    const ends: (() => unknown)[] = [() => rmSync(dir, { recursive: true, force: true })]
    const t = { teardown: (end: () => unknown) => ends.unshift(end), testdir: () => dir }
    try {
      const rows = await countMoney(t as never, {
        engines: [engine],
        isMetered,
        calls: Math.ceil(Number(values.calls) / names.length / 2),
        atOnce: 12,
        startMs: 30,
        stepMs: 8,
        maxTokens: 80,
        seedOf: () => Number(values.seed)
      })
      all.push(...rows)
      console.log(`${engine}, ${isMetered ? 'with' : 'without'} a ledger: made, limits, ledger`)
      report(rows, row => row.team)
      report(rows, row => row.class)
      for (const { made, limits, ledger } of sumsOf(rows, row => row.team).values()) {
        if (Math.abs(off(limits, made)) > 5 || Math.abs(off(ledger, made)) > 5) isWrong = true
      }
    } finally {
      for (const end of ends) await end()
    }
  }
}
console.log('all engines:')
report(all, row => row.class)
for (const [name, { made, limits, ledger }] of sumsOf(all, row => row.class)) {
  if (name.endsWith('left') && Math.min(limits, ledger) < 0.75 * made) isWrong = true
}
process.exit(isWrong ? 1 : 0)
