import fc from 'fast-check'
import t from 'tap'
import { rejectionFrom, unfitFrom } from '../../src/forward/rejection.ts'

const at = { pool: 'p', origin: 'http://10.0.0.1:8000', wasSent: true, engine: 'vllm' }
const rejected = (status: number, body: unknown, engine = 'vllm', headers = {}) =>
  rejectionFrom(status, headers, typeof body === 'string' ? body : JSON.stringify(body), { ...at, engine })

t.test('the sentence of an engine is read in every shape that engines write', async t => {
  const vllm = { error: { message: 'bad', type: 'BadRequestError', param: 'n', code: 400 } }
  t.match(rejected(400, vllm).told, {
    status: 400,
    message: 'bad',
    type: 'invalid_request_error',
    param: 'n',
    code: 'invalid_request'
  })
  const sglang = { object: 'error', message: 'bad', type: 'BadRequest', param: null, code: 400 }
  t.match(rejected(400, sglang, 'sglang').told, { message: 'bad', param: null })
  const lmdeploy = { message: 'bad', type: 'invalid_request_error', code: 404, param: null, object: 'error' }
  t.match(rejected(404, lmdeploy, 'lmdeploy').told, { status: 404, message: 'bad', type: 'invalid_request_error' })
  t.match(rejected(400, { message: 'bad', object: 'error' }, 'swift').told, { message: 'bad' })
  t.match(rejected(400, { error: 'bad' }).told, { message: 'bad' })
  t.match(rejected(404, { detail: 'Not Found' }).told, { status: 404, message: 'Not Found' })
  t.match(rejected(422, { detail: [{ loc: ['body', 'messages'], msg: 'Field required' }] }).told, {
    status: 422,
    message: 'messages: Field required'
  })
  const anthropic = { type: 'error', error: { type: 'invalid_request_error', message: 'bad' } }
  t.match(rejected(400, anthropic).told, { message: 'bad', type: 'invalid_request_error' })
  const nested = { error: { message: 'bad', type: 'invalid_request_error', code: 'model_not_found', param: 'model' } }
  t.match(rejected(404, nested).told, { code: 'model_not_found', param: 'model' })
})

t.test('nothing of it is passed on where it is not about the request', async t => {
  for (const status of [500, 502, 504, 599, 408, 499]) {
    const error = rejected(status, { error: { message: 'Traceback: secret' } })
    t.equal(error.code, 'TOLLGATE_FORWARD_FAILED')
    t.match(error.told, { status: 502, message: 'The engine failed.' })
  }
  t.equal(rejected(503, { error: 'scaling' }).code, 'TOLLGATE_FORWARD_OVERLOADED')
})

t.test('a key that the engine does not take is for the operator, not for the caller', async t => {
  t.equal(rejected(401, { error: 'Unauthorized' }).code, 'TOLLGATE_FORWARD_KEY')
  t.equal(rejected(403, '').code, 'TOLLGATE_FORWARD_KEY')
  t.equal(rejected(400, { message: 'API key error', object: 'error' }, 'swift').code, 'TOLLGATE_FORWARD_KEY')
  t.equal(rejected(400, { message: 'API key error' }, 'vllm').code, 'TOLLGATE_FORWARD_REJECTED')
})

t.test('an engine that is busy says when to come again, within what client libraries wait', async t => {
  t.match(rejected(429, '', 'vllm', { 'retry-after': '7' }), {
    code: 'TOLLGATE_FORWARD_BUSY',
    told: { retryAfterSec: 7 }
  })
  t.match(rejected(503, '', 'vllm', { 'retry-after': '9999' }).told, { retryAfterSec: 60 })
  t.match(rejected(503, '', 'vllm', { 'retry-after': 'Wed, 21 Oct' }).told, { retryAfterSec: 2 })
})

t.test('a conflict is no conflict to a caller: libraries would try again', async t => {
  t.equal(rejected(409, { message: 'x' }).told.status, 400)
})

t.test('an engine that lists the models it has, when it lacks one, is told of in our own words', async t => {
  for (const message of [
    "`x` is not in the model_list: `['base', 'of-team-b']`.",
    "Got LoRA adapter that has never been loaded: {'x'}. Loaded adapters: dict_keys(['of-team-b'])."
  ]) {
    const { code, told } = rejected(400, { message })
    t.equal(code, 'TOLLGATE_FORWARD_REJECTED')
    t.match(told, { status: 404, code: 'model_not_found', param: 'model', type: 'invalid_request_error' })
    t.notMatch(told.message, 'of-team-b')
  }
})

t.test('what an engine tells of its machine is taken out, and what is long is cut', async t => {
  for (const [said, told] of [
    ['cannot reach http://10.1.2.3:8000/v1', 'cannot reach …'],
    ['peer 10.1.2.3:29500 gone', 'peer … gone'],
    ["No file '/root/.cache/x/model.py', line 3", "No file '…', line 3"],
    ["no picture at '/nfs/cache/team-b/cat.png'", "no picture at '…'"],
    ['in (/scratch/venv/lib/PIL/Image.py)', 'in (…)'],
    ['a\n  File "/sgl-workspace/sglang/http_server.py", line 12, in chat\nb', 'a … b'],
    ['tcp://10.1.2.3:5555 and [fd00::17]:23333', '… and …'],
    ['Cannot connect to host gpu1:8000 ssl:default', 'Cannot connect to … ssl:default'],
    ['refused by node-3.pool.internal:8998', 'refused by …'],
    ['object at 0x7f3a5c2b9d10 failed', 'object at … failed'],
    ['temperature must be in [0, 2], top_p in (0,1]', 'temperature must be in [0, 2], top_p in (0,1]'],
    ['audio/wav or image/png, and/or text', 'audio/wav or image/png, and/or text'],
    ['a\n  b\t c', 'a b c'],
    ['the model org/name does not exist', 'the model org/name does not exist'],
    ['route /v1/chat/completions', 'route /v1/chat/completions']
  ] as const)
    t.equal(rejected(400, { message: said }).told.message, told)
  t.equal(rejected(400, { message: 'x'.repeat(5000) }).told.message.length, 1001)
})

t.test('whatever an engine answers, it becomes an error of ours', async () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 400, max: 599 }),
      fc.oneof(
        fc.string(),
        fc.json(),
        fc.jsonValue().map(value => JSON.stringify({ error: value }))
      ),
      (status, body) => {
        const { told } = rejected(status, body)
        return told.status >= 400 && told.message.length <= 1001 && !told.message.includes('\n')
      }
    )
  )
})

t.test('what cannot be passed on: redirects, encoded answers, and those whose end tells nothing', async t => {
  const code = { code: 'TOLLGATE_FORWARD_ANSWER' }
  const sized = { 'content-length': '2' }
  for (const status of [300, 307, 399, 600]) t.match(unfitFrom(status, sized, at), code, String(status))
  t.match(unfitFrom(200, { ...sized, 'content-encoding': 'gzip' }, at), code)
  t.match(unfitFrom(200, { 'content-type': 'text/event-stream' }, at), { ...code, detail: { framing: 'none' } })
  t.match(unfitFrom(200, { 'transfer-encoding': 'gzip' }, at), code)
  t.equal(unfitFrom(200, { ...sized, 'content-encoding': 'identity' }, at), null)
  t.equal(unfitFrom(200, { 'transfer-encoding': 'chunked' }, at), null)
  t.equal(unfitFrom(204, {}, at), null)
  t.equal(unfitFrom(500, {}, at), null, 'of a refusal nothing more than a sentence is read')
})
