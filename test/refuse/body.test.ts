import t from 'tap'
import { CODES, type GateErrorCode } from '../../src/codes.ts'
import { GateError } from '../../src/errors.ts'
import { dialectOf, errorBody, errorEvent } from '../../src/refuse/body.ts'

const BROKEN = new GateError('TOLLGATE_FORWARD_BROKEN')
const ALL = Object.keys(CODES) as GateErrorCode[]

t.test('a caller of the OpenAI dialect gets the type, code and message of the one table', async t => {
  const body = JSON.parse(errorBody(new GateError('TOLLGATE_INSPECT_FIELD', { param: 'model' }), 'openai', 'id'))
  t.strictSame(body, {
    error: {
      message: CODES.TOLLGATE_INSPECT_FIELD.message,
      type: 'invalid_request_error',
      param: 'model',
      code: 'invalid_value'
    }
  })
})

t.test('a caller of the Anthropic dialect gets its envelope', async t => {
  const body = JSON.parse(errorBody(new GateError('TOLLGATE_AUTHENTICATE_INVALID'), 'anthropic', 'id-1'))
  t.strictSame(body, {
    type: 'error',
    error: { type: 'authentication_error', message: 'The token is not valid.' },
    request_id: 'id-1'
  })
})

t.test('the dialect is decided by the path alone', async t => {
  t.equal(dialectOf('/v1/messages'), 'anthropic')
  t.equal(dialectOf('/v1/messages/count_tokens'), 'anthropic')
  t.equal(dialectOf('/v1/messagesX'), 'openai')
  t.equal(dialectOf('/v1/chat/completions'), 'openai')
  t.equal(dialectOf('/v1/responses'), 'responses')
})

t.test('no detail but the name of a field reaches a body, for any code and dialect', async t => {
  const secret = { origin: 'http://10.1.2.3:8000', token: 'eyJhbGciOi', reason: 'bad_signature', pool: 'qwen' }
  for (const code of ALL) {
    for (const dialect of ['openai', 'anthropic'] as const) {
      const text = errorBody(new GateError(code, secret, { cause: new Error('10.1.2.3') }), dialect, 'id')
      for (const fact of Object.values(secret)) t.notMatch(text, fact, `${code} keeps ${fact}`)
    }
  }
})

t.test('the farewell of a broken stream is one whole event that client libraries raise as an error', async t => {
  const event = errorEvent(BROKEN, 'openai')
  t.match(event, /^data: \{.*\}\n\n$/)
  t.ok(JSON.parse(event.slice(6)).error.message)
  const named = errorEvent(BROKEN, 'responses')
  t.match(named, /^event: error\ndata: \{"type":"error".*\}\n\n$/)
  t.match(JSON.parse(named.slice(named.indexOf('{'))), { code: 'upstream_error', error: { code: 'upstream_error' } })
  t.match(errorEvent(BROKEN, 'anthropic'), /^event: error\ndata: \{"type":"error".*\}\n\n$/)
})

t.test('errors of OAuth are those of RFC 6749, whichever room they come from', async t => {
  const said = (code: GateErrorCode) => JSON.parse(errorBody(new GateError(code), 'oauth', 'id'))
  t.strictSame(said('TOLLGATE_MINT_LOGIN'), {
    error: 'invalid_grant',
    error_description: 'The name or the password is not right.'
  })
  t.equal(said('TOLLGATE_ACCEPT_OVERLOADED').error, 'temporarily_unavailable')
  t.equal(said('TOLLGATE_ACCEPT_HEADERS').error, 'invalid_request')
  t.equal(said('TOLLGATE_INTERNAL').error, 'server_error')
})
