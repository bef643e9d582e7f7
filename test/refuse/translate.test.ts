import t from 'tap'
import { GateError } from '../../src/errors.ts'
import { gateErrorFrom } from '../../src/refuse/translate.ts'

function withCode(code: string): Error {
  return Object.assign(new Error('words that nobody may match on'), { code })
}

t.test('an error of the table stays itself', async t => {
  const error = new GateError('TOLLGATE_ROUTE_TEAM')
  t.equal(gateErrorFrom(error), error)
})

t.test("the framework's errors become ours, with the original as their cause", async t => {
  const pairs = [
    ['FST_ERR_CTP_BODY_TOO_LARGE', 'TOLLGATE_INSPECT_SIZE'],
    ['FST_ERR_CTP_INVALID_MEDIA_TYPE', 'TOLLGATE_INSPECT_TYPE'],
    ['FST_ERR_CTP_INVALID_CONTENT_LENGTH', 'TOLLGATE_INSPECT_JSON'],
    ['FST_ERR_CTP_EMPTY_JSON_BODY', 'TOLLGATE_INSPECT_JSON'],
    ['ECONNRESET', 'TOLLGATE_ACCEPT_TIMEOUT']
  ] as const
  for (const [code, expected] of pairs) {
    const cause = withCode(code)
    const error = gateErrorFrom(cause)
    t.equal(error.code, expected)
    t.equal(error.cause, cause)
  }
})

t.test('what nobody expected is a mistake of ours: 500, never 4xx', async t => {
  for (const thrown of [new TypeError('x is not a function'), 'a string', null, withCode('EWHATEVER')]) {
    t.equal(gateErrorFrom(thrown).row.status, 500)
  }
})
