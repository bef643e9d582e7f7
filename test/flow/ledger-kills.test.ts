import t from 'tap'
import { COMMIT_MS, killAgain, unwritten } from '../soak/killing.ts'

t.test(
  'a gate that is killed ten times under load has every request that ended in time in its ledger, once; after SIGTERM, all',
  { timeout: 120_000 },
  async t => {
    // Four times as long as is promised: other tests have the machine too.
    const result = await killAgain(t, {
      dir: t.testdir(),
      kills: 10,
      lanes: 8,
      random: Math.random,
      segment: '64KiB',
      withinMs: 4 * COMMIT_MS
    })
    t.comment(JSON.stringify({ ...result, missing: result.missing.length }))
    t.ok(result.owed >= 11 * 8, String(result.owed))
    t.strictSame(result.missing, [])
    t.strictSame(result.doubled, [])
    t.strictSame(result.errors, [])
    t.strictSame(result.notes, [], 'nothing is left that has died')
    t.ok(result.crashed > 0, String(result.crashed))
  }
)

t.test('after SIGTERM under load every call that the audit log has with an engine is in the ledger', async t => {
  const dir = t.testdir()
  const result = await killAgain(t, { dir, kills: 0, lanes: 32, random: () => 1 })
  t.ok(result.owed >= 32, String(result.owed))
  t.match(result, { missing: [], doubled: [], errors: [], notes: [], crashed: 0 })
  t.strictSame(unwritten(dir), [])
})
