import t from 'tap'
import { EVENT_TYPES, readEvent } from '../../src/inspect/events.ts'

const ALIASES = new Map([['ears', 'm']])
const read = (event: unknown) =>
  readEvent(Buffer.from(typeof event === 'string' ? event : JSON.stringify(event)), ALIASES)

t.test('the model is found where vLLM, SGLang and OpenAI read it, and its alias is resolved', async t => {
  const at = { type: 'session.update' }
  for (const event of [
    { ...at, model: 'ears' },
    { ...at, session: { model: 'ears' } },
    { ...at, session: { audio: { input: { transcription: { model: 'ears' } } } } },
    { ...at, model: 'm', session: { model: 'ears', audio: { input: { transcription: { model: null } } } } }
  ]) {
    t.equal(read(event).model, 'm', JSON.stringify(event))
  }
  t.equal(read({ ...at, session: null }).model, null)
})

t.test('two models, or a place that is no place, are refused by name', async t => {
  const at = { type: 'session.update' }
  for (const [event, param] of [
    [{ ...at, model: 'm', session: { model: 'other' } }, 'model'],
    [{ ...at, model: ['m'] }, 'model'],
    [{ ...at, model: '' }, 'model'],
    [{ ...at, session: { model: {} } }, 'session.model'],
    [{ ...at, session: [] }, 'session'],
    [{ ...at, session: { audio: 'x' } }, 'audio'],
    [{ type: 'input_audio_buffer.append' }, 'audio']
  ] as const) {
    t.throws(() => read(event), { code: 'TOLLGATE_INSPECT_FIELD', detail: { param } }, JSON.stringify(event))
  }
})

t.test('what no engine here knows is no event, and what two readers could read in two ways is none either', async t => {
  for (const type of ['response.create', 'SESSION.UPDATE', '', null, ['session.update'], '__proto__', undefined]) {
    t.throws(() => read({ type }), { code: 'TOLLGATE_INSPECT_EVENT' })
  }
  t.throws(() => read('{"type":"session.update","model":"m","model":"x"}'), { code: 'TOLLGATE_INSPECT_DUPLICATE' })
  t.throws(() => read('{"type":"input_audio_buffer.commit","x":1e999}'), { code: 'TOLLGATE_INSPECT_FIELD' })
  t.throws(() => read('\ufeff{"type":"input_audio_buffer.commit"}'), { code: 'TOLLGATE_INSPECT_JSON' })
  t.throws(() => readEvent(Buffer.from([0x7b, 0xff, 0x7d]), ALIASES), { code: 'TOLLGATE_INSPECT_JSON' })
  for (const type of EVENT_TYPES) t.equal(read({ type, audio: 'AAAA' }).type, type)
})
