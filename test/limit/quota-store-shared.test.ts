import t, { type Test } from 'tap'
import { GateError } from '../../src/errors.ts'
import type { OnStoreFailure } from '../../src/limit/options.ts'
import type { Draw, Ticket } from '../../src/limit/quota-store.ts'
import { SharedQuotaStore } from '../../src/limit/quota-store-shared.ts'
import { budget, lease, rate } from '../helpers/draws.ts'
import { startRedis, WITHOUT_REDIS } from '../helpers/redis.ts'
import { connected, isThere, until } from '../helpers/stores.ts'

const AGES = 1e21
const FAR = Date.now() + 1e9
const tokens = (key: string, amount: number) => rate(key, amount, { windowMs: AGES })
const spent = (used: number) => ({ requests: 1, tokens: used })

/** Gates that share a server, each with a connection of its own. */
async function scene(t: Test, { count = 1, how = 'local' as OnStoreFailure, commandMs = 10_000 } = {}) {
  const server = await startRedis(t)
  const gates = await Promise.all(
    Array.from({ length: count }, async (_, number) => {
      const { store } = await connected(t, server, { commandMs })
      const changes: boolean[] = []
      let id = 0
      const gate = new SharedQuotaStore({
        shared: store,
        roll: store,
        gate: `gate-${number}`,
        nextId: () => `${number}-own-${id++}`,
        nowMs: Date.now,
        onFailure: () => how,
        onChange: isAway => changes.push(isAway)
      })
      gate.start()
      t.teardown(() => gate.close())
      return { gate, changes, store }
    })
  )
  await until(async () => {
    for (const { gate } of gates) if (gate.status.gates !== count) return false
    return true
  })
  const [first] = gates
  if (first === undefined) throw new Error('no gate')
  /** Lets a gate find out that the store is away. */
  const lose = async () => {
    await server.kill()
    for (const [number, { gate }] of gates.entries()) {
      for (let i = 0; gate.status.store !== 'away'; i++) {
        await Promise.resolve(gate.reserve(`lose-${number}-${i}`, [rate('lose', 1e6)], 1)).catch(() => {})
      }
    }
  }
  return { server, gates, lose, ...first }
}

const reserved = async (gate: SharedQuotaStore, id: string, draws: readonly Draw[], cost: number): Promise<Ticket> => {
  const { ticket } = await gate.reserve(id, draws, cost)
  if (ticket === null) throw new Error('refused')
  return ticket
}

t.test('gates before one store', WITHOUT_REDIS, async t => {
  t.test('share a limit to the last token, however many ask at once', async t => {
    const { gates } = await scene(t, { count: 3 })
    const draws = [tokens('crowd', 100)]
    const asked = gates.flatMap(({ gate }, number) =>
      Array.from({ length: 34 }, (_, i) => gate.reserve(`${number}-${i}`, draws, 10))
    )
    const outcomes = await Promise.all(asked)
    t.equal(outcomes.filter(({ ticket }) => ticket !== null).length, 10)
  })

  t.test('each have their share of it while the store is away, from where they stood', async t => {
    const { gates, lose } = await scene(t, { count: 2 })
    const draws = [tokens('share', 100), lease('share-l', 7)]
    const [a, b] = gates.map(({ gate }) => gate) as [SharedQuotaStore, SharedQuotaStore]
    await a.settle(await reserved(a, 'a', draws, 40), spent(40))
    await b.peek(draws)
    await lose()
    const alone = async (gate: SharedQuotaStore, name: string) => {
      let count = 0
      while ((await gate.reserve(`${name}-${count}`, draws, 10)).ticket !== null) count++
      return count
    }
    // 40 of 100 were used: 30 of its 50 are left to the gate that knows; leases are three for each.
    t.equal(await alone(a, 'a-alone'), 3)
    t.equal(await alone(b, 'b-alone'), 3)
  })

  t.test('tell a store that is back what was used without it, once', async t => {
    const { gate, changes, lose, server, store } = await scene(t)
    const draws = [tokens('owed', 1_000), budget('owed-b', 5_000, FAR)]
    await lose()
    for (let i = 0; i < 20; i++) {
      const ticket = await reserved(gate, `owed-${i}`, draws, 10)
      await gate.settle(ticket, spent(25))
    }
    await server.start()
    await until(() => gate.status.store === 'there')
    t.strictSame(changes, [true, false], 'one change each')
    await isThere(store)
    t.strictSame((await store.peek(draws)).map(Math.round), [500, 500])
    t.equal(gate.status.owed, 0)
  })

  t.test('lose no lease to a store that dies: what was held ends with its calls, and with them alone', async t => {
    const { gate, lose, server, store } = await scene(t)
    const draws = [lease('held', 5)]
    const before = await reserved(gate, 'before', draws, 0)
    await lose()
    const during = await reserved(gate, 'during', draws, 0)
    t.strictSame(await gate.peek(draws), [2])
    await server.start()
    await until(() => gate.status.store === 'there')
    await gate.renew([before, during])
    t.strictSame(await store.peek(draws), [2])
    await gate.settle(before, spent(0))
    await gate.settle(during, spent(0))
    t.strictSame(await store.peek(draws), [0])
  })

  t.test('wait for a store that stands still in few calls, then in none', async t => {
    const { gate, server, store } = await scene(t, { commandMs: 200 })
    const draws = [tokens('still', 1e6)]
    server.freeze()
    let waited = 0
    for (let i = 0; i < 200; i++) {
      const outcome = gate.reserve(`still-${i}`, draws, 10)
      if (outcome instanceof Promise) waited++
      await outcome
    }
    t.ok(waited >= 5 && waited <= 8, `${waited} have met it`)
    server.thaw()
    await until(() => gate.status.store === 'there')
    await isThere(store)
  })

  t.test('take back what a store has drawn for a call that it did not answer and that was refused', async t => {
    const { gate, server, store } = await scene(t, { commandMs: 200, how: 'deny' })
    const draws = [tokens('unanswered', 1_000)]
    server.freeze()
    await t.rejects(Promise.resolve(gate.reserve('unanswered-1', draws, 70)), new GateError('TOLLGATE_LIMIT_STORE'))
    server.thaw()
    await isThere(store)
    await until(() => gate.status.owed === 0)
    t.strictSame(await store.peek(draws), [0])
  })

  t.test('count a call once that a store had drawn for without answering', async t => {
    const { gate, server, store } = await scene(t, { commandMs: 200 })
    const draws = [tokens('once', 1_000)]
    server.freeze()
    const ticket = await reserved(gate, 'once-1', draws, 70)
    await gate.settle(ticket, spent(30))
    server.thaw()
    await until(async () => gate.status.owed === 0 && gate.status.store === 'there')
    await isThere(store)
    const used = await store.peek(draws)
    // A little has come back by itself, even of a bucket that fills for ages.
    t.strictSame(used.map(Math.round), [30])
  })

  t.test('refuse everything, or nothing, where the operator wants it so', async t => {
    const denying = await scene(t, { how: 'deny' })
    await denying.lose()
    t.throws(() => denying.gate.reserve('x', [tokens('x', 10)], 1), new GateError('TOLLGATE_LIMIT_STORE'))
    const allowing = await scene(t, { how: 'allow' })
    await allowing.lose()
    for (let i = 0; i < 5; i++) {
      t.match(allowing.gate.reserve(`y-${i}`, [tokens('x', 10)], 9), { ticket: { id: `y-${i}` }, used: null })
    }
  })
})
