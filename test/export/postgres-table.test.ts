import t from 'tap'
import { createTableSql, insertSql, rowsJson } from '../../src/export/postgres-table.ts'
import { usageLine } from '../helpers/ledger-lines.ts'

t.test('names are quoted, with a schema and without', async t => {
  t.match(createTableSql('usage'), /^CREATE TABLE IF NOT EXISTS "usage" \(\n {2}"source" text NOT NULL,/)
  t.match(createTableSql('billing.usage'), 'ON "billing"."usage" ("time")')
  t.match(insertSql('billing.usage'), /^INSERT INTO "billing"\."usage" .* ON CONFLICT \("source", "id"\) DO NOTHING$/)
})

t.test(
  'a row says everything that a record says: null is null, 0 is 0, and no text is one that cannot be kept',
  async t => {
    const event = usageLine(7, null, { sub: 'a\0b\ud800', model_requested: null })
    const [row] = JSON.parse(rowsJson([event]))
    t.match(row, { source: event.source, id: event.id, call: null, model_requested: null, output_tokens: 0 })
    t.equal(row.sub, 'a\ufffdb\ufffd')
    const { usage, ms, call: _, ...flat } = event.data
    // `subject` is the team once more; `type` and `specversion` are constant.
    t.equal(
      Object.keys(row).length,
      3 + 1 + Object.keys(flat).length + Object.keys(usage).length + Object.keys(ms).length
    )
  }
)
