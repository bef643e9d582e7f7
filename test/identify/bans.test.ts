import fc from 'fast-check'
import t from 'tap'
import type { Client } from '../../src/exchange.ts'
import { readKey } from '../../src/identify/address.ts'
import { type BanEvent, Bans } from '../../src/identify/bans.ts'
import { createClientResolver } from '../../src/identify/client-ip.ts'
import { banOptions } from '../helpers/ban-options.ts'
import { createClock } from '../helpers/clock.ts'

const HOUR = 3_600_000
const resolve = createClientResolver({ trustedProxies: [] })
const clientAt = (ip: string): Client => resolve(ip, [])
const attacker = clientAt('203.0.113.7')

function open(options = banOptions(), limits: { maxCounters?: number; maxBans?: number } = {}) {
  const clock = createClock(1_700_000_000_000)
  const events: BanEvent[] = []
  const bans = new Bans(options, { nowMs: clock.nowMs, onChange: event => events.push(event), ...limits })
  let tokens = 0
  const attack = (client: Client, count: number) => {
    for (let i = 0; i < count; i++) bans.note(client, 1, `token-${tokens++}`)
  }
  return { clock, events, bans, attack }
}

t.test('B5: the twentieth distinct bad token bans its address for ten minutes, and no other address', async t => {
  const { bans, attack, clock, events } = open()
  attack(attacker, 19)
  t.equal(bans.judge(attacker), null)
  attack(attacker, 1)
  t.match(bans.judge(attacker), { key: '203.0.113.7', reason: 'failures', times: 1 })
  t.equal(bans.judge(clientAt('203.0.113.8')), null)
  t.equal(events.length, 1)
  clock.advance(600_000 - 1)
  t.ok(bans.judge(attacker))
  clock.advance(1)
  t.equal(bans.judge(attacker), null)
})

t.test('a ban of whoever passes requests on says so, unless it is the caller behind a trusted proxy', async t => {
  for (const [trustedProxies, peer, isPassedOn] of [
    [[], '203.0.113.7', true],
    [['10.0.0.0/8'], '10.1.1.1', false]
  ] as const) {
    const { bans, events } = open(banOptions({}, trustedProxies))
    const rawHeaders = ['X-Forwarded-For', '203.0.113.7']
    const client = createClientResolver({ trustedProxies })(peer, rawHeaders)
    for (let i = 0; i < 20; i++) bans.note(client, 1, `t-${i}`, rawHeaders)
    t.match(events, [{ what: 'added', isPassedOn, ban: { ip: '203.0.113.7' } }])
  }
})

t.test('each further ban lasts twice as long, a day at most, and a clean day forgets them', async t => {
  const { bans, attack, clock } = open()
  const lasted: number[] = []
  for (let i = 0; i < 10; i++) {
    attack(attacker, 20)
    const ban = bans.judge(attacker)
    lasted.push(((ban?.untilMs ?? 0) - (ban?.sinceMs ?? 0)) / 60_000)
    clock.advance((ban?.untilMs ?? 0) - clock.nowMs())
  }
  t.strictSame(lasted, [10, 20, 40, 80, 160, 320, 640, 1280, 1440, 1440])
  clock.advance(24 * HOUR)
  attack(attacker, 20)
  t.match(bans.judge(attacker), { times: 1 })
})

t.test('B3: loopback, trusted proxies and networks that are never banned are not, whatever they do', async t => {
  const { bans, attack } = open(banOptions({ never: ['198.51.100.0/24'] }, ['10.0.0.0/8']))
  const behind = createClientResolver({ trustedProxies: ['10.0.0.0/8'] })
  const exempt = [
    clientAt('127.0.0.1'),
    clientAt('::1'),
    clientAt('198.51.100.7'),
    behind('10.0.0.1', []),
    resolve(undefined, [])
  ]
  for (const client of exempt) {
    attack(client, 100)
    t.equal(bans.judge(client), null, client.ip)
    t.equal(bans.add(client.ip, { forMs: 1_000 }), null, client.ip)
  }
  t.strictSame(bans.list(), [])
})

t.test('B2: a /64 is one caller, and a proxy inside of it is still a proxy', async t => {
  const { bans, attack } = open(banOptions({}, ['2001:db8::1']))
  for (let i = 0; i < 20; i++) attack(clientAt(`2001:db8::${(i + 2).toString(16)}`), 1)
  t.ok(bans.judge(clientAt('2001:db8::ffff')))
  t.equal(bans.judge(clientAt('2001:db8:0:1::2')), null)
  t.equal(bans.judge(createClientResolver({ trustedProxies: ['2001:db8::1'] })('2001:db8::1', [])), null)
})

t.test('P0-13: a header that a caller makes up bans nobody else, and ports and zones make no new callers', async t => {
  const options = banOptions({}, ['10.0.0.0/8'])
  const { bans, attack } = open(options)
  const behind = createClientResolver(options)
  const from = (peer: string, xff: string) => behind(peer, ['X-Forwarded-For', xff])
  // Straight to the gate, naming a victim; and through the proxy, which adds the real address.
  attack(from('203.0.113.7', '198.51.100.1'), 10)
  for (let i = 0; i < 10; i++) attack(from('10.0.0.1', `198.51.100.1, 203.0.113.7:${1_000 + i}`), 1)
  t.equal(bans.judge(from('10.0.0.1', '198.51.100.1')), null)
  t.equal(bans.judge(from('10.0.0.1', '')), null)
  t.ok(bans.judge(from('10.0.0.2', '203.0.113.7')))
  for (let i = 0; i < 20; i++) attack(from('10.0.0.1', `[2001:db8::7%eth${i}]:${i + 1}`), 1)
  t.ok(bans.judge(from('10.0.0.1', '2001:db8::7')))
  t.equal(bans.list().length, 2)
})

t.test('a lift forgets the failures and the doubling', async t => {
  const { bans, attack, events } = open()
  attack(attacker, 20)
  t.equal(bans.lift('203.0.113.7'), true)
  t.equal(bans.lift('203.0.113.7'), false)
  t.equal(bans.judge(attacker), null)
  attack(attacker, 19)
  t.equal(bans.judge(attacker), null)
  attack(attacker, 1)
  t.match(bans.judge(attacker), { times: 1 })
  t.strictSame(
    events.map(({ what }) => what),
    ['added', 'lifted', 'added']
  )
})

t.test('by hand a ban lasts as long as is said, for an address or a network as the list shows it', async t => {
  const { bans } = open()
  t.match(bans.add('2001:DB8::7', { forMs: 5_000 }), { key: '2001:db8:0:0::/64', reason: 'manual' })
  t.equal(bans.add('nobody', { forMs: 5_000 }), null)
  t.equal(bans.lift('2001:db8:0:0::/64'), true)
  t.equal(readKey('2001:db8::/32'), null)
})

t.test('a reload keeps bans, and lifts those of networks that are never banned any more', async t => {
  const { bans, attack } = open()
  const other = clientAt('198.51.100.7')
  attack(attacker, 20)
  attack(other, 20)
  bans.follow(banOptions({ never: ['198.51.100.0/24'], mode: 'strict' }))
  t.ok(bans.judge(attacker))
  t.equal(bans.isStrict, true)
  t.equal(bans.judge(other), null)
  t.equal(bans.list().length, 1)
})

t.test('dry_run tells of bans and refuses nobody, also after it; off counts nothing', async t => {
  const { bans, attack, events } = open(banOptions({ mode: 'dry_run' }))
  attack(attacker, 40)
  t.equal(bans.judge(attacker), null)
  t.match(events, [{ what: 'added', isDry: true }])
  t.equal(events.length, 1)
  bans.follow(banOptions({ mode: 'soft' }))
  t.equal(bans.judge(attacker), null)
  const off = open(banOptions({ mode: 'off' }))
  off.attack(attacker, 100)
  t.equal(off.bans.judge(attacker), null)
})

t.test('what another gate has decided holds here, unless this one never bans the address', async t => {
  const { bans, clock, events } = open(banOptions({ never: ['198.51.100.7'] }))
  const ban = (ip: string) => ({ key: ip, ip, reason: 'failures', sinceMs: 0, untilMs: clock.nowMs() + 9, times: 4 })
  bans.learn('203.0.113.7', ban('203.0.113.7'))
  bans.learn('198.51.100.7', ban('198.51.100.7'))
  t.match(bans.judge(attacker), { times: 4 })
  t.equal(bans.list().length, 1)
  bans.learn('203.0.113.7', null)
  t.equal(bans.judge(attacker), null)
  t.strictSame(events, [], 'nobody is told of it twice')
})

t.test('B7: whoever comes, as much is held as may be', async t => {
  const { bans, attack } = open(banOptions({ after: 2 }), { maxCounters: 50, maxBans: 100 })
  for (let i = 0; i < 1_000; i++) attack(clientAt(`10.9.${i >> 8}.${i & 255}`), 2)
  for (let i = 0; i < 1_000; i++) attack(clientAt(`10.8.${i >> 8}.${i & 255}`), 1)
  t.equal(bans.list().length, 100)
  t.match(bans.stats(), { active: 100, evictedBans: 900, evictedCounters: 950 })
  t.equal(bans.stats().imposed.get('failures'), 1_000)
})

t.test('over random attacks and clocks, somebody is banned exactly when a plain model says so', async () => {
  const step = fc.record({
    who: fc.nat(2),
    what: fc.nat(12),
    weight: fc.constantFrom(0, 0.25, 0.5, 1),
    stepMs: fc.nat(4_000),
    lifts: fc.boolean().map(lifts => lifts)
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 150 }), steps => {
      const { bans, clock } = open(banOptions({ after: 3, withinMs: 10_000, forMs: 5_000, maxMs: 15_000 }))
      const model = [0, 1, 2].map(() => ({ firstMs: -1e15, seen: new Map<number, number>(), untilMs: 0, times: 0 }))
      return steps.every(({ who, what, weight, stepMs, lifts }, i) => {
        clock.advance(stepMs)
        const nowMs = clock.nowMs()
        const client = clientAt(`203.0.113.${who}`)
        const plain = model[who]
        if (plain === undefined) return false
        if (lifts && i % 7 === 0) {
          bans.lift(client.ip)
          Object.assign(plain, { firstMs: -1e15, untilMs: 0, times: 0 })
        }
        bans.note(client, weight, String(what))
        if (weight > 0 && nowMs >= plain.untilMs) {
          if (nowMs - plain.firstMs >= 10_000) Object.assign(plain, { firstMs: nowMs, seen: new Map() })
          if (!plain.seen.has(what)) plain.seen.set(what, weight)
          if ([...plain.seen.values()].reduce((a, b) => a + b, 0) >= 3) {
            const times = plain.times + 1
            const lastsMs = Math.min(15_000, 5_000 * 2 ** (times - 1))
            Object.assign(plain, { firstMs: -1e15, untilMs: nowMs + lastsMs, times })
          }
        }
        return (bans.judge(client) !== null) === nowMs < plain.untilMs
      })
    })
  )
})
