import t from 'tap'
import { ValkeyRevocations } from '../../src/authenticate/revocation-store.ts'
import { revocation } from '../helpers/revocations.ts'

t.test('what in the store is no revocation is passed over, and what is no list is an error', async t => {
  const reading = (reply: unknown) => new ValkeyRevocations({ run: async () => reply }).read('v')
  const text = JSON.stringify(revocation())
  t.match(await reading(['w', ['{', '{}', text]]), { version: 'w', all: { length: 1 } })
  t.equal(await reading(['v']), null)
  await t.rejects(reading('x'), TypeError)
})
