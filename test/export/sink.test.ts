import t from 'tap'
import { quoted, SinkError } from '../../src/export/sink.ts'

t.test('what somebody else says is short, masked, and nothing that a terminal obeys', async t => {
  t.equal(quoted('no \u001b[31mtoken\n\n abc-secret here\u202e', ['abc-secret', null, '']), 'no [31mtoken •••• here')
  t.equal(quoted('x'.repeat(500), [], 10), `${'x'.repeat(10)}…`)
})

t.test('an error says whether the records are at fault', async t => {
  t.match(new SinkError('refused', 'm'), { kind: 'refused', message: 'm', retryAfterMs: 0 })
  t.equal(new SinkError('unavailable', 'm', { retryAfterMs: 3 }).retryAfterMs, 3)
})
