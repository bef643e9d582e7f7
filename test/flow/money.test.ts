import t from 'tap'
import type { Engine } from '../../src/engines/table.ts'
import { countMoney, type MoneyRow, sumsOf } from '../helpers/money.ts'

// The whole of it, 2000 calls, is `npm run money`.
const ENGINES: readonly Engine[] = ['vllm', 'sglang', 'lmdeploy', 'swift', 'openai']
const small = {
  calls: 30,
  atOnce: 15,
  startMs: 30,
  stepMs: 8,
  maxTokens: 60,
  seedOf: (engine: Engine) => ENGINES.indexOf(engine)
} as const

t.test(
  'whatever is asked, and however a caller leaves, limits and ledger agree and charge what the engine has made',
  async t => {
    const rows: MoneyRow[] = []
    for (const isMetered of [true, false]) {
      await t.test(isMetered ? 'with a ledger' : 'without a ledger', async t => {
        const engines = ENGINES.filter((_, n) => (n % 2 === 0) === isMetered)
        const found = await countMoney(t, { ...small, engines, isMetered })
        rows.push(...found)
        for (const [name, { made, limits, ledger }] of sumsOf(found, row => `${row.engine} ${row.class}`)) {
          t.equal(limits, ledger, `${name}: limits and ledger agree`)
          if (name.endsWith('read')) t.equal(limits, made, `${name}: what the engine has told`)
        }
      })
    }
    t.strictSame(new Set(rows.map(row => row.engine)), new Set(ENGINES))
    // An answer in one piece that nobody waited for is estimated by time: how near that comes on a busy machine says nothing.
    // `npm run money` holds it to 75 % of what was made.
    const byText = rows.filter(row => !row.class.endsWith('whole left'))
    const [sum] = sumsOf(byText, () => 'all').values()
    t.ok(sum !== undefined && Math.abs(sum.limits / sum.made - 1) < 0.05, JSON.stringify(sum))
    const left = sumsOf(
      rows.filter(row => row.class.endsWith('left')),
      row => row.class.replace(/^\S+ /, '')
    )
    for (const [name, { made, limits }] of left) {
      t.ok(limits >= (name === 'whole left' ? 0.1 : 0.75) * made, `${name}: ${limits} of ${made}`)
    }
  }
)
