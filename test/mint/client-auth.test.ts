import t from 'tap'
import { readClient } from '../../src/mint/client-auth.ts'

const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`
const none = new Map<string, string>()

t.test('a client shows its id and secret in the header or in the body', async t => {
  t.equal(readClient(none, undefined), null)
  t.strictSame(readClient(none, basic('me:secret')), { id: 'me', secret: 'secret' })
  t.strictSame(readClient(none, basic('m%65:a%3Ab+c')), { id: 'me', secret: 'a:b c' }, 'both halves are form-encoded')
  t.strictSame(readClient(new Map([['client_secret', 's']]), undefined), { id: null, secret: 's' })
  t.strictSame(
    readClient(
      new Map([
        ['client_id', 'me'],
        ['client_secret', 's']
      ]),
      undefined
    ),
    { id: 'me', secret: 's' }
  )
  t.strictSame(readClient(new Map([['client_id', 'me']]), basic('me:s')), { id: 'me', secret: 's' })
})

t.test('both ways at once, two ids, and any other scheme are refused', async t => {
  t.throws(() => readClient(new Map([['client_secret', 's']]), basic('me:s')), { code: 'TOLLGATE_MINT_REQUEST' })
  t.throws(() => readClient(new Map([['client_id', 'you']]), basic('me:s')), { code: 'TOLLGATE_MINT_REQUEST' })
  for (const header of ['Bearer x', 'Basic', 'Basic ???', basic('nocolon'), '']) {
    t.throws(() => readClient(none, header), { code: 'TOLLGATE_MINT_CLIENT' }, header)
  }
  t.throws(() => readClient(none, basic('%zz:s')), { code: 'TOLLGATE_MINT_REQUEST' })
})
