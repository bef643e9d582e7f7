import t from 'tap'
import { Families } from '../../src/metrics/families.ts'
import { readScrape } from '../helpers/scrape.ts'

const read = async (families: Families) => readScrape(await families.text())

t.test('what is counted is told, and told again with what came since', async t => {
  const families = new Families()
  const errors = families.of('tollgate_errors_total')
  errors.at('A').value++
  t.equal((await read(families)).value('tollgate_errors_total', { code: 'A' }), 1)
  errors.at('A').value += 2
  errors.at('B').value++
  const now = await read(families)
  t.equal(now.value('tollgate_errors_total', { code: 'A' }), 3)
  t.equal(now.value('tollgate_errors_total', { code: 'B' }), 1)
})

t.test('labels are written so that they end where they end', async t => {
  const families = new Families()
  const name = 'a"b\\c\nd|e{}'
  families.of('tollgate_queue_depth').at(name, 'default').value = 3
  t.equal((await read(families)).value('tollgate_queue_depth', { pool: name, class: 'default' }), 3)
})

t.test('a thousand pools more than there may be are one more, and it shows', async t => {
  const families = new Families()
  for (let i = 0; i < 2_000; i++) families.of('tollgate_sse_unparsed_total').at(`pool-${i}`).value++
  const now = await read(families)
  t.equal(now.series('tollgate_sse_unparsed_total').length, 1_000)
  t.equal(now.value('tollgate_sse_unparsed_total', { pool: 'other' }), 1_001)
  t.equal(now.sum('tollgate_sse_unparsed_total'), 2_000)
  t.equal(now.value('tollgate_metric_series_dropped_total', { metric: 'tollgate_sse_unparsed_total' }), 1_001)
})

t.test('histograms are bounded too, and what they forget is gone from the text', async t => {
  const families = new Families()
  const timings = families.of('tollgate_time_to_first_token_seconds')
  for (let i = 0; i < 300; i++) timings.at(`m-${i}`, 'p').observe(0.3)
  const count = 'tollgate_time_to_first_token_seconds_count'
  let now = await read(families)
  t.equal(now.series(count).length, 100)
  t.equal(now.sum(count), 300)
  t.equal(now.value('tollgate_time_to_first_token_seconds_bucket', { model: 'm-0', pool: 'p', le: '0.25' }), 0)
  t.equal(now.value('tollgate_time_to_first_token_seconds_bucket', { model: 'm-0', pool: 'p', le: '0.5' }), 1)
  families.retain((label, value) => label !== 'model' || value === 'm-0')
  now = await read(families)
  t.strictSame(
    now.series(count).map(({ labels }) => labels.model),
    ['m-0', 'other']
  )
})

t.test('a metric that is not half full forgets nothing', async t => {
  const families = new Families()
  families.of('tollgate_errors_total').at('A').value++
  families.retain(() => false)
  t.equal((await read(families)).value('tollgate_errors_total', { code: 'A' }), 1)
})
