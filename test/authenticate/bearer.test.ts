import fc from 'fast-check'
import t from 'tap'
import { readBearer } from '../../src/authenticate/bearer.ts'

const CHAT = '/v1/chat/completions'
const MISSING = { code: 'TOLLGATE_AUTHENTICATE_MISSING' }
const MALFORMED = { code: 'TOLLGATE_AUTHENTICATE_MALFORMED' }

t.test('V1: the token stands in Authorization, whatever the case of the name and the scheme', async t => {
  t.equal(readBearer(['Authorization', 'Bearer a.b.c'], CHAT), 'a.b.c')
  t.equal(readBearer(['X', 'y', 'authorization', 'bEARER  a.b.c'], CHAT), 'a.b.c')
})

t.test('V1: a request without a token has none, also when a cookie or the query holds one', async t => {
  t.throws(() => readBearer([], CHAT), MISSING)
  t.throws(() => readBearer(['Cookie', 'token=a.b.c', 'X-Api-Key', 'a.b.c'], CHAT), MISSING)
})

t.test('V1: two Authorization lines are refused, even when they agree', async t => {
  t.throws(() => readBearer(['Authorization', 'Bearer a', 'authorization', 'Bearer a'], CHAT), MALFORMED)
})

t.test('V1: another scheme, an empty token, a list or a line break is no bearer token', async t => {
  for (const value of [
    'Basic a',
    'Bearer',
    'Bearer ',
    'Bearer a b',
    'Bearer a,b',
    'xBearer a',
    'Bearer "a"',
    'Bearer a\n'
  ]) {
    t.throws(() => readBearer(['Authorization', value], CHAT), MALFORMED, value)
  }
})

t.test("Anthropic's clients may send it as x-api-key, on their paths alone, and never beside another", async t => {
  for (const path of ['/v1/messages', '/v1/messages/count_tokens']) {
    t.equal(readBearer(['x-api-key', 'a.b.c'], path), 'a.b.c')
    t.throws(() => readBearer(['x-api-key', 'a', 'authorization', 'Bearer a'], path), MALFORMED)
  }
  t.throws(() => readBearer(['x-api-key', 'a.b.c'], '/v1/messagesX'), MISSING)
  t.throws(() => readBearer(['x-api-key', 'a b'], '/v1/messages'), MALFORMED)
})

t.test('whatever stands in the header, the answer is a b64token or a refusal of ours', async t => {
  fc.assert(
    fc.property(fc.string({ maxLength: 60 }), value => {
      try {
        return /^[A-Za-z0-9\-._~+/]+=*$/.test(readBearer(['Authorization', value], CHAT))
      } catch (err) {
        return err instanceof Error && 'code' in err && String(err.code).startsWith('TOLLGATE_AUTHENTICATE_')
      }
    })
  )
  t.pass()
})
