import t from 'tap'
import { ENGINES, rowsOf } from '../../src/engines/table.ts'
import { allowedFields, NEVER } from '../../src/shape/fields.ts'

t.test('every operation with a JSON body that an engine serves has its list of fields', async t => {
  for (const engine of ENGINES) {
    for (const { verdict } of rowsOf(engine)) {
      if (verdict.is !== 'served' || ['transcription', 'translation'].includes(verdict.operation)) continue
      t.ok(allowedFields(verdict.operation)?.has('model'), verdict.operation)
    }
  }
})

t.test('no list has a field that nobody may set', async t => {
  for (const operation of [
    'chat',
    'completions',
    'responses',
    'messages',
    'embeddings',
    'rerank',
    'score',
    'generate'
  ]) {
    for (const name of allowedFields(operation) ?? []) t.notOk(NEVER.has(name), `${operation} ${name}`)
  }
})
