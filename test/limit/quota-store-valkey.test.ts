import t from 'tap'
import { ValkeyQuotaStore } from '../../src/limit/quota-store-valkey.ts'
import { budget, lease, rate } from '../helpers/draws.ts'
import { WITHOUT_REDIS } from '../helpers/redis.ts'
import { connected } from '../helpers/stores.ts'

const far = () => Date.now() + 1e9
const DAYS_2 = 48 * 3_600_000

t.test('a store that is shared', WITHOUT_REDIS, async t => {
  const { connection, store } = await connected(t)
  const ask = (text: string, ...keys: string[]) => connection.run({ name: text, text }, keys, [])

  t.test('what nobody reserved is added once, and what was reserved after all is not added twice', async t => {
    const draws = [rate('late', 1_000, { windowMs: 1e21 })]
    const unheard = { id: 'late-1', draws, tokens: 50, isUnconfirmed: true }
    for (let i = 0; i < 3; i++) await store.settle(unheard, { requests: 1, tokens: 80 })
    t.strictSame(await store.peek(draws), [80])
    await store.reserve('late-2', draws, 50)
    t.strictSame(await store.peek(draws), [130])
    for (let i = 0; i < 3; i++) await store.settle({ ...unheard, id: 'late-2' }, { requests: 1, tokens: 20 })
    t.strictSame(await store.peek(draws), [100])
  })

  t.test('a reservation that is read behind its own end draws nothing, and holds no lease', async t => {
    const draws = [rate('behind', 1_000, { windowMs: 1e21 }), lease('behind-l', 5), budget('behind-b', 1_000, far())]
    const given = { id: 'behind-1', draws, tokens: 50, isUnconfirmed: true }
    await store.settle(given, { requests: 1, tokens: 20 })
    await store.reserve('behind-1', draws, 50)
    t.strictSame(await store.peek(draws), [20, 0, 20])
    await store.reserve('behind-2', draws, 50)
    await store.reserve('behind-2', draws, 50)
    t.strictSame(await store.peek(draws), [70, 1, 70], 'nor does one that is read twice draw twice')
  })

  t.test('a call that is known to be reserved and is not is taken for settled', async t => {
    const draws = [rate('gone', 1_000)]
    const ticket = { id: 'gone-1', draws, tokens: 50, isUnconfirmed: false }
    t.equal(await store.settle(ticket, { requests: 1, tokens: 80 }), null)
    t.strictSame(await store.peek(draws), [0])
  })

  t.test('nothing is kept for ever, and nothing that is used for less than two days', async t => {
    await store.reserve('ttl-1', [rate('ttl-r', 10), lease('ttl-l', 10), budget('ttl-b', 10, far())], 1)
    const ttl = async (key: string) => Number(await ask("return redis.call('PTTL', KEYS[1])", key))
    for (const key of ['ttl-r', 'ttl-l', 'tollgate:1:r:ttl-1']) {
      const ms = await ttl(key)
      t.ok(ms > DAYS_2 - 10_000 && ms <= DAYS_2, `${key} ${ms}`)
    }
    t.ok((await ttl('ttl-b')) > 1e9 + DAYS_2 - 10_000)
  })

  t.test('of a call that is settled nothing is left but what it used', async t => {
    const draws = [rate('rest', 10), lease('rest-l', 10)]
    const { ticket } = await store.reserve('rest-1', draws, 1)
    if (ticket !== null) await store.settle(ticket, { requests: 1, tokens: 0 })
    const exists = "return redis.call('EXISTS', KEYS[1], KEYS[2])"
    t.equal(await ask(exists, 'tollgate:1:r:rest-1', 'rest-l'), 0)
  })

  t.test('gates that are there are counted, and those that leave are not', async t => {
    t.equal(await store.join('one'), 1)
    t.equal(await store.join('two'), 2)
    t.equal(await store.join('one'), 2)
    await store.leave('two')
    t.equal(await store.join('one'), 1)
  })

  t.test('many leases are renewed at once', async t => {
    const draws = [lease('many', 5_000)]
    const tickets = Array.from({ length: 1_200 }, (_, i) => ({ id: `m${i}`, draws, tokens: 0, isUnconfirmed: false }))
    await store.renew(tickets)
    t.strictSame(await store.peek(draws), [1_200])
  })

  t.test('a store behind which there is something else says so', async t => {
    const other = new ValkeyQuotaStore({ run: async () => 'PONG' })
    await t.rejects(other.peek([]), /another shape/)
  })
})
