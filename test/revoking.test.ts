import t from 'tap'
import { Exchange } from '../src/exchange.ts'
import { errorOf } from '../src/revoking.ts'
import { chat } from './helpers/limit-scene.ts'

t.test('a call of somebody who was revoked has an error that names the revocation in the log alone', async t => {
  const error = errorOf(({ sub }) => (sub === 'mallory' ? 'r-1' : null))
  t.equal(error(chat()), null)
  t.match(error(chat({}, { sub: 'mallory' })), {
    code: 'TOLLGATE_AUTHENTICATE_REVOKED',
    detail: { reason: 'revoked', revocation: 'r-1' },
    message: 'The token was taken back.'
  })
  const early = new Exchange({ id: 'r', startedAtMs: 0, method: 'POST', path: '/' })
  t.equal(error(early), null, 'nobody knows yet whose it is')
})
