import t from 'tap'
import { endsEvent } from '../../src/forward/event-stream.ts'

t.test('an event ends with an empty line, in either way of writing it', async t => {
  for (const text of ['data: 1\n\n', 'data: 1\r\n\r\n', '\n\n', ': comment\n\n'])
    t.ok(endsEvent(Buffer.from(text)), JSON.stringify(text))
  for (const text of ['data: 1\n', 'data: 1', '', '\n', 'a\r\n', 'data: 1\r\n', '\n\r'])
    t.notOk(endsEvent(Buffer.from(text)), JSON.stringify(text))
})
