import fc from 'fast-check'
import t from 'tap'
import { BanShare } from '../../src/identify/ban-share.ts'
import type { BanStore } from '../../src/identify/ban-store.ts'
import { MemoryBanStore } from '../../src/identify/ban-store-memory.ts'
import { Bans } from '../../src/identify/bans.ts'
import { banOptions } from '../helpers/ban-options.ts'
import { createClock } from '../helpers/clock.ts'

const START = 1_700_000_000_000

/** Gates whose clocks differ, and a store that may be away, or be started anew. */
function gates(count: number, options = banOptions()) {
  const clock = createClock(START)
  let store: BanStore = new MemoryBanStore({ nowMs: clock.nowMs })
  let isAway = false
  const door: BanStore = {
    trade: async (told, since) => {
      if (isAway) throw new Error('away')
      return await store.trade(told, since)
    }
  }
  const all = Array.from({ length: count }, (_, i) => {
    const nowMs = () => clock.nowMs() + i * 3_600_000
    const bans: Bans = new Bans(options, { nowMs, onChange: event => share.tell(event) })
    const share: BanShare = new BanShare({ store: door, bans, nowMs })
    return { bans, share }
  })
  const round = async () => {
    for (const { share } of all) await share.trade()
  }
  return {
    clock,
    all,
    /** Twice: who is asked first learns of the last one in the second. */
    settle: async () => {
      await round()
      await round()
    },
    away: (is: boolean) => {
      isAway = is
    },
    restart: () => {
      store = new MemoryBanStore({ nowMs: clock.nowMs })
    }
  }
}

const client = (ip: string) => ({ ip, key: ip, peerIp: ip, isProxy: false })
const one = client('203.0.113.1')

t.test('B8: a ban of one gate holds at all for what is left of it, whatever their clocks say', async t => {
  const { all, settle, clock } = gates(3)
  all[0]?.bans.impose(one, { reason: 'failures', forMs: 60_000 })
  clock.advance(10_000)
  await settle()
  for (const { bans } of all) t.match(bans.judge(one), { reason: 'failures', times: 1 })
  clock.advance(49_999)
  // Told by how long was left when it was told.
  for (const { bans } of all) t.ok(bans.judge(one))
  clock.advance(1)
  for (const { bans } of all) t.equal(bans.judge(one), null)
  all[2]?.bans.impose(one, { reason: 'failures', forMs: 60_000 })
  t.match(all[2]?.bans.judge(one), { times: 2 }, 'it was banned before, at another gate')
})

t.test('a lift at one gate lifts at all', async t => {
  const { all, settle } = gates(3)
  all[0]?.bans.impose(one, { reason: 'failures', forMs: 60_000 })
  await settle()
  t.equal(all[1]?.bans.lift(one.ip), true)
  await settle()
  for (const { bans } of all) t.equal(bans.judge(one), null)
})

t.test('B8: while the store is away each gate bans for itself, and tells of it afterwards', async t => {
  const { all, settle, away } = gates(2)
  away(true)
  all[0]?.bans.impose(one, { reason: 'failures', forMs: 60_000 })
  await settle()
  t.ok(all[0]?.bans.judge(one))
  t.equal(all[1]?.bans.judge(one), null)
  away(false)
  await settle()
  t.ok(all[1]?.bans.judge(one))
})

t.test('a store that has lost everything is told again', async t => {
  const { all, settle, restart } = gates(2)
  all[0]?.bans.impose(one, { reason: 'failures', forMs: 60_000 })
  await settle()
  restart()
  await settle()
  const late = gates(1)
  t.equal(late.all[0]?.bans.list().length, 0)
  all[1]?.bans.learn(one.key, null)
  all[1]?.share.reread()
  await settle()
  t.ok(all[1]?.bans.judge(one), 'it knows it from the store')
})

t.test('what is only tried out is told to nobody', async t => {
  const { all, settle } = gates(2, banOptions({ mode: 'dry_run' }))
  all[0]?.bans.impose(one, { reason: 'failures', forMs: 60_000 })
  for (const { bans } of all) bans.follow(banOptions())
  await settle()
  for (const { bans } of all) t.equal(bans.judge(one), null)
})

t.test('whatever is decided where and while the store comes and goes, in the end all gates say the same', async () => {
  const step = fc.record({
    gate: fc.nat(2),
    who: fc.nat(3).map(n => client(`203.0.113.${n}`)),
    what: fc.constantFrom('ban', 'lift', 'away', 'there', 'restart', 'trade'),
    stepMs: fc.nat(20_000)
  })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async steps => {
      const { all, settle, clock, away, restart } = gates(3)
      for (const { gate, who, what, stepMs } of steps) {
        clock.advance(stepMs)
        if (what === 'ban') all[gate]?.bans.impose(who, { reason: 'failures', forMs: 600_000 })
        else if (what === 'lift') all[gate]?.bans.lift(who.ip)
        else if (what === 'trade') await all[gate]?.share.trade()
        else if (what === 'restart') restart()
        else away(what === 'away')
      }
      away(false)
      await settle()
      await settle()
      const said = all.map(({ bans }) =>
        bans
          .list()
          .map(({ key }) => key)
          .sort()
          .join()
      )
      return new Set(said).size === 1
    }),
    { numRuns: 200 }
  )
})
