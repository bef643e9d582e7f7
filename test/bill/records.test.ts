import t from 'tap'
import { Batch, readUsage } from '../../src/bill/records.ts'
import { quarterAt, type Use, used } from '../helpers/bills.ts'

const sums = (use: Use) => readUsage(used(use))?.sums

t.test('a record adds what it says, in the quarter of an hour in which its call ended', async t => {
  const usage = { input: 9, cached_input: 4, output: 0, reasoning_output: null, audio_seconds: 1.2345 }
  t.strictSame(readUsage(used({ time: '2026-11-23T08:29:59.999Z', usage })), {
    quarter: quarterAt('2026-11-23T08:15:00Z'),
    key: { iss: 'https://idp.example.com', sub: 'u-1', team: 'team-a', model: 'm', op: 'chat', source: 'engine_final' },
    sums: {
      requests: 1,
      errors: 0,
      rejected: 0,
      untold: 0,
      tokenless: 0,
      soundless: 0,
      input: 9,
      input_told: 1,
      cached: 4,
      cached_told: 1,
      output: 0,
      output_told: 1,
      reasoning: 0,
      reasoning_told: 0,
      audio_ms: 1235,
      audio_told: 1
    }
  })
})

t.test('what nobody has said is told apart from nothing, and what no engine took from both', async t => {
  const nothing = { source: 'none', input: null, output: null } as const
  t.match(sums({ usage: nothing }), { untold: 1, rejected: 0, errors: 0, input: 0, input_told: 0 })
  t.match(sums({ usage: nothing, outcome: 'gateway_crash' }), { untold: 1, errors: 1 })
  t.match(sums({ usage: nothing, outcome: 'rejected' }), { untold: 0, rejected: 1, errors: 1 })
  t.match(sums({ outcome: 'client_closed' }), { errors: 0, untold: 0 })
})

t.test('the model of a call that no pool took is its caller’s word, and stands nowhere', async t => {
  t.equal(readUsage(used({ pool: null, outcome: 'rejected', model_served: 'anything' }))?.key.model, '')
  t.match(readUsage(used({ team: null, model_served: null }))?.key, { team: '', model: '' })
})

t.test('a part that came from a cache is no more than the whole', async t => {
  t.match(sums({ usage: { input: 3, cached_input: 7 } }), { input: 3, cached: 3 })
  t.match(sums({ usage: { input: null, cached_input: 7 } }), { cached: 0, cached_told: 0 })
})

t.test('numbers that make no sense are refused as a whole', async t => {
  for (const input of [-1, 1.5, 1e15, Number.NaN, '7' as unknown as number])
    t.equal(sums({ usage: { input } }), undefined)
  for (const audio_seconds of [-1, Number.POSITIVE_INFINITY, 1e12])
    t.equal(sums({ usage: { audio_seconds } }), undefined)
  t.equal(sums({ time: 'yesterday' }), undefined)
  t.equal(sums({ usage: { source: 'rumour' as 'none' } }), undefined)
})

t.test('records of one key and quarter become one', async t => {
  const batch = new Batch()
  const add = (use: Use) => {
    const entry = readUsage(used(use))
    if (entry !== null) batch.add(entry)
  }
  for (const sub of ['u-1', 'u-2', 'u-1']) add({ sub })
  add({ time: '2026-11-23T08:30:00.000Z' })
  t.strictSame(
    [...batch].map(({ key, quarters }) => [
      key.sub,
      [...quarters.values()].map(({ requests, input }) => [requests, input])
    ]),
    [
      [
        'u-1',
        [
          [2, 6],
          [1, 3]
        ]
      ],
      ['u-2', [[1, 3]]]
    ]
  )
})
