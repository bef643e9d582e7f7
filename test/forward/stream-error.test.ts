import t from 'tap'
import { streamErrorFrom } from '../../src/forward/stream-error.ts'
import { exchangeTo } from '../helpers/exchanges.ts'

const error = (said: unknown) => streamErrorFrom(said, exchangeTo({ engine: 'vllm', operation: 'chat' }))

t.test('what is about the request keeps its sentence, without addresses and paths', async t => {
  const { code, told } = error({
    message: 'too long for /data/models/x at 10.0.0.7:8000',
    type: 'BadRequestError',
    code: 400
  })
  t.equal(code, 'TOLLGATE_FORWARD_REJECTED')
  t.match(told.message, /^too long for … at …$/)
  t.match(error({ message: 'no such thing', type: 'NotFoundError' }), { told: { message: 'no such thing' } })
})

t.test('of the failures of an engine nothing is kept', async t => {
  for (const said of [
    { message: 'EngineDeadError at /opt/vllm', type: 'InternalServerError', code: 500 },
    { message: 'secret' },
    'secret',
    null,
    { code: 'x', message: 'secret' },
    { code: 502, message: 'secret' }
  ]) {
    const { code, told } = error(said)
    t.equal(code, 'TOLLGATE_FORWARD_FAILED')
    t.equal(told.message, 'The engine failed.')
  }
  t.equal(error({ code: 503 }).code, 'TOLLGATE_FORWARD_OVERLOADED')
})
