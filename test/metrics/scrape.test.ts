import t from 'tap'
import { fullFamilies, TOO_MANY } from '../helpers/full-families.ts'
import { readScrape } from '../helpers/scrape.ts'

t.test('a scrape in which every metric is full: what it costs is known, and every fold is counted', async t => {
  const { families, filled } = fullFamilies()
  const text = await families.text()
  const samples = text.split('\n').filter(line => line !== '' && !line.startsWith('#')).length
  const dropped = filled.filter(({ folds }) => folds)
  t.equal(
    samples,
    filled.reduce((sum, { lines }) => sum + lines, dropped.length),
    'no metric has more lines than its definition lets it have'
  )
  const bytes = Buffer.byteLength(text)
  t.comment(`${bytes} bytes, ${samples} lines`)
  t.ok(bytes < 10 * 1024 ** 2, `${bytes} bytes`)
  const now = readScrape(text)
  for (const { name } of dropped) {
    t.equal(now.value('tollgate_metric_series_dropped_total', { metric: name }), TOO_MANY, name)
  }
})
