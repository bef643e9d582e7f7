import t from 'tap'
import { ValkeyBanStore } from '../../src/identify/ban-store-valkey.ts'
import { BEGINNING } from '../helpers/ban-stores.ts'

t.test('what no gate has written bans nobody, and an answer of another shape is an error', async t => {
  const rows: readonly (readonly [string, string])[] = [
    ['203.0.113.1', 'no JSON'],
    ['203.0.113.2', '["203.0.113.9","failures",1,0]'],
    ['203.0.113.3', '["203.0.113.3","failures",1.5,0]'],
    ['203.0.113.4', '["203.0.113.4","failures",1,0]'],
    ['203.0.113.5', '{}'],
    ['203.0.113.6', '']
  ]
  const store = new ValkeyBanStore({ run: async () => ['e', '9', 0, ...rows.flatMap(row => [...row, '5000'])] })
  t.strictSame(await store.trade([], BEGINNING), {
    changes: [
      { key: '203.0.113.4', ban: { ip: '203.0.113.4', reason: 'failures', times: 1, sinceMs: 0, leftMs: 5_000 } },
      { key: '203.0.113.6', ban: null }
    ],
    bookmark: { epoch: 'e', seq: 9 },
    isMore: false
  })
  await t.rejects(new ValkeyBanStore({ run: async () => 'OK' }).trade([], BEGINNING), TypeError)
})
