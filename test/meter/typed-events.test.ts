import t from 'tap'
import { EventStream } from '../../src/meter/events.ts'
import { MessagesReader, NativeReader, ResponsesReader } from '../../src/meter/typed-events.ts'
import { MEND } from '../helpers/exchanges.ts'

const feed = <R extends MessagesReader | NativeReader | ResponsesReader>(reader: R, events: readonly object[]): R => {
  const stream = new EventStream(reader)
  for (const data of events) {
    const piece = Buffer.from(`event: x\ndata: ${JSON.stringify(data)}\n\n`)
    t.equal(stream.chunk(piece), piece)
  }
  return reader
}

t.test('a response says what it used in its last event alone, whichever that is', async t => {
  const usage = { input_tokens: 1, output_tokens: 2 }
  t.match(feed(new ResponsesReader(MEND), [{ response: { usage }, type: 'response.failed' }]).counts(), {
    inputTokens: 1,
    outputTokens: 2
  })
  // Words of the model's own are not taken for it.
  const words = { type: 'response.output_text.done', text: 'response.completed', response: { usage } }
  t.equal(feed(new ResponsesReader(MEND), [words]).hasFinal, false)
  t.equal(feed(new ResponsesReader(MEND), [{ type: 'response.completed', response: { usage: null } }]).hasFinal, false)
})

t.test('a message says its input first; what comes again takes its place', async t => {
  const start = {
    type: 'message_start',
    message: { usage: { input_tokens: 5, cache_creation_input_tokens: 2, output_tokens: 1 } }
  }
  const begun = feed(new MessagesReader(MEND), [start, { type: 'content_block_delta', delta: { text: '"usage"' } }])
  t.match(begun.counts(), { inputTokens: 7, outputTokens: null })
  t.equal(begun.hasFinal, false)
  const ended = feed(begun, [{ type: 'message_delta', delta: {}, usage: { output_tokens: 0 } }])
  t.match(ended.counts(), { inputTokens: 7, outputTokens: 0 })
  t.equal(ended.hasFinal, true)
})

t.test('native generation: the numbers of a batch are added up once each', async t => {
  const meta = (index: number, tokens: number) => ({
    index,
    text: 'x',
    meta_info: { prompt_tokens: 3, completion_tokens: tokens }
  })
  t.match(feed(new NativeReader(MEND), [meta(0, 1), meta(1, 1), meta(1, 4)]).counts(), {
    inputTokens: 6,
    outputTokens: 5
  })
  t.match(feed(new NativeReader(MEND), [{ text: 'x' }]).counts(), { inputTokens: null })
})

t.test('what an engine says of its own failure is said in other words, wherever its API says it', async t => {
  const through = (reader: MessagesReader | NativeReader | ResponsesReader, data: object) => {
    const out = new EventStream(reader).chunk(Buffer.from(`event: x\r\ndata: ${JSON.stringify(data)}\r\n\r\n`))
    t.equal(reader.hasFailed, true)
    return out?.toString()
  }
  const mended = 'event: x\r\ndata: {"error":{"message":"mended"}}\r\n\r\n'
  t.equal(through(new NativeReader(MEND), { error: { message: 'secret' } }), mended)
  t.equal(through(new MessagesReader(MEND), { type: 'error', error: { type: 'api_error', message: 'secret' } }), mended)
  t.equal(through(new ResponsesReader(MEND), { type: 'error', code: 'x', message: 'secret' }), mended)
  const failed = { type: 'response.failed', response: { id: 'r', error: { code: 'x', message: 'secret' } } }
  t.match(
    through(new ResponsesReader(MEND), failed),
    /"response":\{"id":"r","error":\{"code":"mended","message":"mended"\}\}/
  )
})

t.test('a failure of the caller or of the model that is no failure of the engine goes by as it is', async t => {
  for (const data of [
    { type: 'response.completed', response: { error: null, usage: { input_tokens: 1 } } },
    { type: 'content_block_delta', delta: { text: 'an "error" of yours' } },
    { type: 'response.output_text.delta', delta: '"error":{"message":"x"}' }
  ]) {
    const piece = Buffer.from(`data: ${JSON.stringify(data)}\n\n`)
    t.equal(new EventStream(new ResponsesReader(MEND)).chunk(piece), piece)
  }
})
