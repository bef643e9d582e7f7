import fc from 'fast-check'
import t, { type Test } from 'tap'
import {
  createOverloadGuard,
  Lateness,
  levelOf,
  memoryLimit,
  nextLevel,
  type OverloadLevel
} from '../../src/accept/overload.ts'

const LEVELS: readonly OverloadLevel[] = ['normal', 'shed_new', 'shed_all']
const level = fc.constantFrom(...LEVELS)
const rank = (name: OverloadLevel) => LEVELS.indexOf(name)

t.test('a gate that is late or has little memory left sheds strangers first, then everybody', async t => {
  const of = (delayMs: number, memory: number) => levelOf({ delayMs, memory }, 200, 'normal')
  t.equal(of(200, 0.85), 'normal')
  t.equal(of(201, 0.1), 'shed_new')
  t.equal(of(1_000, 0.1), 'shed_new')
  t.equal(of(1_001, 0.1), 'shed_all')
  t.equal(of(0, 0.86), 'shed_new')
  t.equal(of(0, 0.96), 'shed_all')
})

t.test('a level is left only below where it was entered', async t => {
  t.equal(levelOf({ delayMs: 170, memory: 0 }, 200, 'shed_new'), 'shed_new')
  t.equal(levelOf({ delayMs: 150, memory: 0 }, 200, 'shed_new'), 'normal')
  t.equal(levelOf({ delayMs: 0, memory: 0.92 }, 200, 'shed_all'), 'shed_all')
  t.equal(levelOf({ delayMs: 0, memory: 0.89 }, 200, 'shed_all'), 'shed_new')
})

t.test('more load never lets more in', async () => {
  const load = fc.record({ delayMs: fc.nat(3_000), memory: fc.float({ min: 0, max: 2, noNaN: true }) })
  fc.assert(
    fc.property(load, fc.nat(3_000), level, (reading, more, inForce) => {
      const heavier = { delayMs: reading.delayMs + more, memory: reading.memory + more / 3_000 }
      return rank(levelOf(heavier, 200, inForce)) >= rank(levelOf(reading, 200, inForce))
    })
  )
})

t.test('a level rises when all looks speak for it, and falls with the first that does not', async t => {
  t.equal(nextLevel('normal', ['normal', 'shed_all', 'shed_all']), 'normal', 'a moment is none')
  t.equal(nextLevel('normal', ['shed_new', 'shed_all', 'shed_all']), 'shed_new', 'as far as all go')
  t.equal(nextLevel('normal', ['shed_all', 'shed_all', 'shed_all']), 'shed_all')
  t.equal(nextLevel('shed_all', ['shed_all', 'shed_all', 'normal']), 'normal')
  fc.assert(
    fc.property(level, fc.array(level, { minLength: 1, maxLength: 5 }), (inForce, looks) => {
      const next = rank(nextLevel(inForce, looks))
      const latest = rank(looks.at(-1) ?? 'normal')
      if (latest <= rank(inForce)) return next === latest
      return next === Math.max(rank(inForce), Math.min(...looks.map(rank)))
    })
  )
})

/** The levels after each look of a process whose timers come after these times. */
function levelsAfter(gaps: readonly number[]): readonly OverloadLevel[] {
  let nowMs = 0
  let now: OverloadLevel = 'normal'
  let looks: readonly OverloadLevel[] = ['normal', 'normal', 'normal']
  const lateness = new Lateness(nowMs)
  return gaps.flatMap(gap => {
    nowMs += gap
    const delayMs = lateness.tick(nowMs)
    if (delayMs === null) return []
    looks = [...looks.slice(1), levelOf({ delayMs, memory: 0 }, 200, now)]
    now = nextLevel(now, looks)
    return [now]
  })
}

t.test(
  'a host that stops the process again and again sheds nobody, as long as it lets it work in between',
  async () => {
    const stop = fc.record({ forMs: fc.integer({ min: 1, max: 5_000 }), works: fc.integer({ min: 2, max: 20 }) })
    fc.assert(
      fc.property(fc.array(stop, { minLength: 1, maxLength: 20, size: 'max' }), stops => {
        const gaps = stops.flatMap(({ forMs, works }) => [50 + forMs, ...Array.from({ length: works }, () => 50)])
        return levelsAfter(gaps).every(level => level === 'normal')
      })
    )
  }
)

t.test(
  'an event loop that is late most of the time sheds after three looks, whatever is on time in between',
  async t => {
    const late = Array.from({ length: 20 }, (_, i) => (i % 4 === 3 ? 50 : 400))
    const levels = levelsAfter(late)
    t.strictSame(levels.slice(0, 3), ['normal', 'normal', 'shed_new'])
    t.ok(levels.slice(2).every(level => level === 'shed_new'))
    t.ok(levelsAfter(Array.from({ length: 20 }, () => 1_500)).includes('shed_all'))
  }
)

t.test('the memory that counts is what the operator says, else the container, else the machine', async t => {
  t.equal(memoryLimit(1, 2, 3), 1)
  t.equal(memoryLimit(null, 2, 3), 2)
  t.equal(memoryLimit(null, 0, 3), 3, 'there is no limit')
  t.equal(memoryLimit(null, 2 ** 64, 3), 3, 'nor here')
})

/** Keeps the event loop of this process late, until it is told to stop. */
function hog(ms: number): () => void {
  const clock = setInterval(() => {
    for (const end = performance.now() + ms; performance.now() < end; );
  }, 1)
  return () => clearInterval(clock)
}

/** Resolves with the next level. */
function levels(t: Test, delayMs: number, memoryBytes: number | null = null) {
  const guard = createOverloadGuard({ delayMs, memoryBytes })
  t.teardown(() => guard.close())
  let resolve: (level: OverloadLevel) => void = () => {}
  guard.onLevel(level => resolve(level))
  guard.start()
  const next = () =>
    new Promise<OverloadLevel>(done => {
      resolve = done
    })
  // The guard itself keeps no process alive.
  const stay = setInterval(() => {}, 1_000)
  t.teardown(() => clearInterval(stay))
  return { guard, next }
}

t.test('an event loop that is late again and again is overload, until it is not', async t => {
  const { guard, next } = levels(t, 60)
  const shed = next()
  const stop = hog(150)
  t.equal(await shed, 'shed_new')
  t.ok(guard.reading.delayMs > 60)
  const calm = next()
  stop()
  t.equal(await calm, 'normal')
})

t.test('memory that is alive counts, also outside of the heap, and no more when it is gone', async t => {
  const { guard, next } = levels(t, 60_000, 1024 ** 3)
  const shed = next()
  let held: Buffer[] | null = Array.from({ length: 100 }, () => Buffer.alloc(10 * 1024 ** 2))
  t.equal(await shed, 'shed_all')
  t.ok(guard.reading.memory > 0.95 && held.length === 100)
  const calm = next()
  held = null
  t.equal(await calm, 'normal', 'also when nothing else is done that would collect garbage')
})
