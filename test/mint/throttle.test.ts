import t from 'tap'
import {
  countersOf,
  FORGET_MS,
  FROM_ADDRESS,
  FROM_ALL,
  FROM_ONE,
  KNOWN_MS,
  MemoryThrottle,
  waitOf
} from '../../src/mint/throttle.ts'
import { createClock } from '../helpers/clock.ts'

const ada = (address = '203.0.113.7') => ({ name: 'ada', address })

t.test('some tries are free, then each failure doubles the wait, up to a quarter of an hour', async t => {
  const clock = createClock(1_000_000)
  const throttle = new MemoryThrottle({ nowMs: clock.nowMs })
  for (let i = 0; i < FROM_ONE.free; i++) t.equal(await throttle.enter(ada()), 0)
  const waits: number[] = []
  for (let i = 0; i < 13; i++) {
    const wait = await throttle.enter(ada())
    waits.push(wait / 1000)
    t.equal(await throttle.enter(ada()), wait, 'a try that is refused changes nothing')
    clock.advance(wait)
    t.equal(await throttle.enter(ada()), 0)
  }
  t.strictSame(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900])
})

t.test('a hundred tries at once are not a hundred free ones', async t => {
  const throttle = new MemoryThrottle({ nowMs: () => 0 })
  const waits = await Promise.all(Array.from({ length: 100 }, () => throttle.enter(ada())))
  t.equal(waits.filter(wait => wait === 0).length, FROM_ONE.free)
})

t.test('a success lets the account begin anew', async t => {
  const throttle = new MemoryThrottle({ nowMs: () => 0 })
  for (let round = 0; round < 10; round++) {
    for (let i = 0; i < FROM_ONE.free; i++) t.equal(await throttle.enter(ada()), 0)
    await throttle.succeeded(ada())
  }
})

t.test('whoever guesses from everywhere is slowed down, and never for longer than a minute', async t => {
  const clock = createClock(0)
  const throttle = new MemoryThrottle({ nowMs: clock.nowMs })
  let made = 0
  for (let i = 0; i < 1_000; i++) if ((await throttle.enter(ada(`198.51.100.${i}`))) === 0) made++
  t.equal(made, FROM_ALL.free)
  for (let i = 0; i < 50; i++) {
    const wait = await throttle.enter(ada(`198.51.101.${i}`))
    t.ok(wait <= 60_000)
    clock.advance(wait)
    await throttle.enter(ada(`198.51.101.${i}`))
  }
  t.equal(await throttle.enter(ada('198.51.102.1')), 60_000)
})

t.test('whoever knows a name cannot lock its owner out: not from where the owner has logged in of late', async t => {
  const clock = createClock(0)
  const throttle = new MemoryThrottle({ nowMs: clock.nowMs })
  await throttle.enter(ada('home'))
  await throttle.succeeded(ada('home'))
  for (let i = 0; i < 200; i++) await throttle.enter(ada(`198.51.100.${i}`))
  t.ok((await throttle.enter(ada('elsewhere'))) > 0)
  t.equal(await throttle.enter(ada('home')), 0)
  clock.advance(KNOWN_MS)
  for (let i = 0; i < 200; i++) await throttle.enter(ada(`198.51.100.${i}`))
  t.ok((await throttle.enter(ada('home'))) > 0, 'an address is not remembered for ever')
})

t.test('a name that nobody has is counted like one that somebody has; counters are forgotten', async t => {
  const clock = createClock(0)
  const throttle = new MemoryThrottle({ nowMs: clock.nowMs })
  for (let i = 0; i < 20; i++) await throttle.enter({ name: 'nobody', address: 'a' })
  t.ok((await throttle.enter({ name: 'nobody', address: 'a' })) > 0)
  t.equal(await throttle.enter({ name: 'nobody', address: 'b' }), 0)
  clock.advance(FORGET_MS + 1)
  for (let i = 0; i < FROM_ONE.free; i++) t.equal(await throttle.enter({ name: 'nobody', address: 'a' }), 0)
})

t.test('who tries one password with many names from one address is slowed down to one a minute', async t => {
  const clock = createClock(1_000_000)
  const throttle = new MemoryThrottle({ nowMs: clock.nowMs })
  const spray = async (from: number, count: number) => {
    let made = 0
    for (let i = from; i < from + count; i++) {
      if ((await throttle.enter({ name: `name-${i}`, address: 'sprayer' })) === 0) made++
    }
    return made
  }
  t.equal(await spray(0, 300), FROM_ADDRESS.free)
  t.equal(await throttle.enter({ name: 'ada', address: 'elsewhere' }), 0, 'other addresses are not')
  let made = 0
  for (let minute = 0; minute < 60; minute++) {
    clock.advance(60_000)
    made += await spray(300 + 10 * minute, 10)
  }
  t.ok(made >= 59 && made <= 61, `${made} in an hour`)
})

t.test('an office behind one address logs in all day, and its people go on when one of them guesses', async t => {
  const clock = createClock(1_000_000)
  const throttle = new MemoryThrottle({ nowMs: clock.nowMs })
  for (let i = 0; i < 200; i++) {
    const of = { name: `user-${i}`, address: 'office' }
    // Every tenth mistypes once.
    if (i % 10 === 0) t.equal(await throttle.enter(of), 0)
    t.equal(await throttle.enter(of), 0, of.name)
    await throttle.succeeded(of)
  }
  for (let i = 0; i < 100; i++) await throttle.enter({ name: `guess-${i}`, address: 'office' })
  t.ok((await throttle.enter({ name: 'new', address: 'office' })) > 0)
  for (let i = 0; i < 200; i++) t.equal(await throttle.enter({ name: `user-${i}`, address: 'office' }), 0)
})

t.test('however many other names are tried, nobody who has to wait is forgotten', async t => {
  const throttle = new MemoryThrottle({ nowMs: () => 0 })
  for (let i = 0; i <= FROM_ONE.free; i++) await throttle.enter(ada())
  const wait = await throttle.enter(ada())
  t.ok(wait > 0)
  for (let i = 0; i < 50_000; i++) await throttle.enter({ name: `name-${i}`, address: `address-${i}` })
  t.equal(await throttle.enter(ada()), wait)
})

t.test('a clock that is set back does not make anybody wait for longer than the delay', async t => {
  t.equal(waitOf({ tries: 6, atMs: 1_000_000 }, FROM_ONE, 0), 2_000)
  t.equal(waitOf({ tries: 1e9, atMs: 0 }, FROM_ONE, 0), 900_000)
})

t.test('what is kept of a name is a digest of constant length', async t => {
  const keys = Object.values(countersOf({ name: 'x'.repeat(10_000), address: 'y' }))
  t.strictSame(
    keys.map(key => key.length),
    [22, 22, 22]
  )
})
