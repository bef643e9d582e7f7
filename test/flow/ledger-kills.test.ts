import t from 'tap'
import { killAgain } from '../soak/killing.ts'

t.test(
  'a gate that is killed ten times under load has every request that ended in time in its ledger, once; after SIGTERM, all',
  { timeout: 120_000 },
  async t => {
    const result = await killAgain(t, { dir: t.testdir(), kills: 10, lanes: 8, random: Math.random, segment: '64KiB' })
    t.comment(JSON.stringify({ ...result, missing: result.missing.length }))
    t.ok(result.owed > 300, String(result.owed))
    t.strictSame(result.missing, [])
    t.strictSame(result.doubled, [])
    t.strictSame(result.errors, [])
    t.strictSame(result.notes, [], 'nothing is left that has died')
    t.ok(result.crashed > 0)
  }
)
