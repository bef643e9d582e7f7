import t from 'tap'
import type { Engine } from '../../src/engines/table.ts'
import { readObject } from '../../src/inspect/object.ts'
import { shapeEvent } from '../../src/shape/events.ts'

const shape = (event: Record<string, unknown>, engine: Engine = 'vllm') => {
  const content = readObject(Buffer.from(JSON.stringify(event)))
  const { bytes, removed } = shapeEvent({ type: String(event.type), content, model: 'served', engine })
  return { text: bytes.toString(), event: JSON.parse(bytes.toString()), removed, isSame: bytes === content.bytes }
}

t.test('sound goes on as it came, without what is not known of it', async t => {
  t.ok(shape({ type: 'input_audio_buffer.append', event_id: 'e', audio: 'AAAA' }).isSame)
  const { event, removed } = shape({ type: 'input_audio_buffer.append', audio: 'AAAA', session_id: 'x', rid: 'y' })
  t.strictSame(event, { type: 'input_audio_buffer.append', audio: 'AAAA' })
  t.strictSame(removed, ['session_id', 'rid'])
  t.ok(shape({ type: 'input_audio_buffer.commit', final: true }).isSame)
  t.strictSame(shape({ type: 'input_audio_buffer.clear', final: true }).removed, ['final'])
})

t.test('the model that was allowed stands where the engine reads it, whatever the caller wrote', async t => {
  const asked = {
    type: 'session.update',
    event_id: 'e',
    model: 'ears',
    session: {
      type: 'transcription',
      tools: ['x'],
      audio: {
        output: {},
        input: { format: { type: 'audio/pcm', rate: 24000 }, transcription: { model: 'ears', language: 'de', x: 1 } }
      }
    }
  }
  t.strictSame(shape(asked).event, { type: 'session.update', event_id: 'e', model: 'served' })
  t.strictSame(shape(asked, 'sglang').event, {
    type: 'session.update',
    event_id: 'e',
    session: {
      type: 'transcription',
      audio: {
        input: { format: { type: 'audio/pcm', rate: 24000 }, transcription: { language: 'de', model: 'served' } }
      }
    }
  })
  t.strictSame(shape({ type: 'session.update', model: 'ears' }, 'sglang').event.session, {
    type: 'transcription',
    audio: { input: { transcription: { model: 'served' } } }
  })
})
