import t from 'tap'
import { CLEAN_MS } from '../../src/identify/ban-records.ts'
import { KEEP_MS } from '../../src/identify/ban-store.ts'

t.test('gates are told of a ban for as long as it makes the next one longer', async t => {
  t.ok(KEEP_MS >= CLEAN_MS)
})
