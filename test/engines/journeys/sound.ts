import assert from 'node:assert/strict'
import { ask, asked, type Journey, stream, type Through } from '../journey.ts'

const TRANSCRIPTIONS = '/v1/audio/transcriptions'
const RATE_HZ = 16_000

/** Calls by hand, with an engine that writes down what it hears. */
export function soundJourneys(world: Through): readonly Journey[] {
  const token = async () => await world.gate.sign({ scopes: ['infer:multimodal'] })
  return [
    {
      sentence: 'sound is written down, with how long it was',
      async run() {
        const { text, usage } = await asked(world, TRANSCRIPTIONS, form(), await token())
        assert.equal(typeof text, 'string')
        assert.deepEqual(usage, { type: 'duration', seconds: 2 })
      }
    },
    {
      sentence: 'streamed, it comes event by event, with its usage when asked, and ends with [DONE]',
      async run() {
        const events = await stream(
          world,
          TRANSCRIPTIONS,
          form({ stream_include_usage: 'true', max_completion_tokens: '100' }),
          await token()
        )
        assert.equal(events.at(-1), '[DONE]')
        const chunks = events.slice(0, -1).map(event => JSON.parse(event))
        assert.ok(chunks.length >= 10, `${chunks.length} chunks`)
        for (const chunk of chunks) assert.equal(chunk.object, 'transcription.chunk')
        assert.equal(chunks.at(-1).usage.completion_tokens, 100)
      }
    },
    {
      sentence: 'sound is translated',
      async run() {
        const { text } = await asked(world, '/v1/audio/translations', form(), await token())
        assert.equal(typeof text, 'string')
      }
    },
    {
      sentence: 'what is no sound is refused by the engine, in the shape of the OpenAI API',
      async run() {
        const noise = form({}, Buffer.from('no sound at all'))
        const { status, json } = await ask(world, TRANSCRIPTIONS, noise, await token())
        assert.equal(status, 400)
        assert.match(json.error.message, /audio/)
      }
    },
    {
      sentence: 'a token for text alone hears nothing',
      async run() {
        const { status, json } = await ask(world, TRANSCRIPTIONS, form())
        assert.equal(status, 403)
        assert.equal(json.error.code, 'insufficient_permissions')
      }
    }
  ]
}

/** The form that asks for two seconds of sound to be written down, in five tokens at most. */
function form(more: Record<string, string> = {}, sound: Buffer = twoSeconds()): FormData {
  const form = new FormData()
  const fields = { model: 'sound', language: 'en', max_completion_tokens: '5', ...more }
  for (const [name, value] of Object.entries(fields)) form.set(name, value)
  form.set('file', new Blob([new Uint8Array(sound)], { type: 'audio/wav' }), 'hello.wav')
  return form
}

/** A deep tone as a WAV file: one channel of 16 bits. */
function twoSeconds(): Buffer {
  const samples = Buffer.alloc(2 * 2 * RATE_HZ)
  for (let i = 0; i < samples.length / 2; i++) samples.writeInt16LE(Math.round(8_000 * Math.sin(i / 10)), 2 * i)
  const head = Buffer.alloc(44)
  head.write('RIFF')
  head.writeUInt32LE(36 + samples.length, 4)
  head.write('WAVEfmt ', 8)
  head.writeUInt32LE(16, 16)
  head.writeUInt16LE(1, 20)
  head.writeUInt16LE(1, 22)
  head.writeUInt32LE(RATE_HZ, 24)
  head.writeUInt32LE(2 * RATE_HZ, 28)
  head.writeUInt16LE(2, 32)
  head.writeUInt16LE(16, 34)
  head.write('data', 36)
  head.writeUInt32LE(samples.length, 40)
  return Buffer.concat([head, samples])
}
