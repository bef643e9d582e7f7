import t from 'tap'
import { ConnectionErrors } from '../../src/accept/connection-errors.ts'

function scene() {
  const lines: [string, string, number][] = []
  const summaries: [string, string, number][] = []
  const at = { ms: 1_000_000 }
  const errors = new ConnectionErrors(() => at.ms, {
    onError: (...line) => void lines.push(line),
    onSummary: (...line) => void summaries.push(line)
  })
  return { errors, lines, summaries, at }
}

t.test('each error of a connection is counted and has a line with the address of its peer', async t => {
  const { errors, lines, summaries } = scene()
  errors.add('TOLLGATE_ACCEPT_TLS', '203.0.113.7')
  errors.add('TOLLGATE_ACCEPT_HEADERS', '203.0.113.8')
  t.strictSame(lines, [
    ['TOLLGATE_ACCEPT_TLS', '203.0.113.7', 0],
    ['TOLLGATE_ACCEPT_HEADERS', '203.0.113.8', 0]
  ])
  t.equal(summaries.length, 2)
  t.strictSame(
    [...errors.counts],
    [
      ['TOLLGATE_ACCEPT_TLS', 1],
      ['TOLLGATE_ACCEPT_HEADERS', 1]
    ]
  )
})

t.test('a flood has few lines, leaves some for others, and the next line says how many are missing', async t => {
  const { errors, lines, summaries, at } = scene()
  for (let i = 0; i < 10_000; i++) errors.add('TOLLGATE_ACCEPT_TIMEOUT', '203.0.113.7')
  t.equal(lines.length, 5)
  errors.add('TOLLGATE_ACCEPT_TIMEOUT', '203.0.113.8')
  t.strictSame(lines.at(-1), ['TOLLGATE_ACCEPT_TIMEOUT', '203.0.113.8', 9_995])
  for (let i = 0; i < 10_000; i++) errors.add('TOLLGATE_ACCEPT_TIMEOUT', `2001:db8:${i.toString(16)}::1`)
  t.equal(lines.length, 100)
  t.equal(summaries.length, 1, 'the operator has one line a minute')
  at.ms += 60_000
  errors.add('TOLLGATE_ACCEPT_TIMEOUT', '203.0.113.7')
  t.strictSame(lines.at(-1), ['TOLLGATE_ACCEPT_TIMEOUT', '203.0.113.7', 20_001 - 9_995 - 100])
  t.strictSame(summaries.at(-1), ['TOLLGATE_ACCEPT_TIMEOUT', '203.0.113.7', 20_001])
  t.equal(errors.counts.get('TOLLGATE_ACCEPT_TIMEOUT'), 20_002)
})

t.test('a wall clock that is set back silences nothing', async t => {
  const { errors, lines, at } = scene()
  for (let i = 0; i < 10; i++) errors.add('TOLLGATE_ACCEPT_TLS', '203.0.113.7')
  at.ms -= 3_600_000
  errors.add('TOLLGATE_ACCEPT_TLS', '203.0.113.7')
  t.equal(lines.length, 6)
})
