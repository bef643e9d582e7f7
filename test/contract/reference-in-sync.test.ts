import { readFileSync } from 'node:fs'
import t from 'tap'
import { renderJsonSchema, renderReference } from '../../src/config/reference.ts'
import { renderMetrics } from '../../src/metrics/reference.ts'

const committed = (name: string) => readFileSync(new URL(`../../config/${name}`, import.meta.url), 'utf8')

t.test('the committed reference and schema are what the code says; `npm run docs` renews them', async t => {
  t.equal(committed('REFERENCE.md'), renderReference())
  t.equal(committed('tollgate.schema.json'), renderJsonSchema())
  t.equal(committed('METRICS.md'), renderMetrics())
})

t.test('every key has a meaning', async t => {
  for (const line of renderReference()
    .split('\n')
    .filter(row => row.startsWith('| `')))
    t.notMatch(line, /\| +\|$/, line)
})
