import fc from 'fast-check'
import t from 'tap'
import { costOf, ideal, type SimulatedCall, type SimulatedTeam, sharesOf, simulate } from '../helpers/simulated-pool.ts'

const WINDOW_MS = 30_000
const FOR_MS = 100_000

/** What calls of a team are: long and short ones, cut short by their callers, asking for more than they get, padded. */
const callsOf = (most: { readonly input: number; readonly output: number }) =>
  fc
    .record({
      bytesPerToken: fc.constantFrom(25, 60, 250, 800, 2_500),
      kinds: fc.array(
        fc.record({
          input: fc.integer({ min: 10, max: most.input }),
          output: fc.integer({ min: 1, max: most.output }),
          isStream: fc.boolean(),
          perToken: fc.constantFrom(0.5, 1, 2),
          leavesAt: fc.constantFrom(1, 1, 1, 0.1, 0.5),
          asks: fc.constantFrom(null, 1, 10, 100),
          padded: fc.constantFrom(0.5, 4, 40)
        }),
        { minLength: 1, maxLength: 4 }
      )
    })
    .map(({ bytesPerToken, kinds }) =>
      kinds.map(
        ({ input, output, isStream, perToken, leavesAt, asks, padded }): SimulatedCall => ({
          input,
          output,
          isStream,
          leavesAt,
          bytesPerToken: bytesPerToken * perToken,
          inputBytes: Math.round(input * padded),
          ...(asks === null ? {} : { maxOutput: output * asks })
        })
      )
    )

const teamOf = (most: { readonly input: number; readonly output: number }) =>
  fc.record({
    calls: callsOf(most),
    weight: fc.integer({ min: 1, max: 4 }),
    /** After a reload. */
    weightThen: fc.option(fc.integer({ min: 1, max: 4 }), { freq: 4 }),
    reloadMs: fc.integer({ min: 10_000, max: 60_000 }),
    fromMs: fc.constantFrom(0, 0, 8_000, 31_000),
    leaves: fc.constantFrom(false, false, false, true),
    pauseMs: fc.constantFrom(1, 1, 50),
    /** Calls with a long prompt before its own kind, to look like somebody who makes such calls. */
    primes: fc.constantFrom(0, 0, 8)
  })

const worldOf = (most: { readonly input: number; readonly output: number }) =>
  fc.record({
    places: fc.integer({ min: 2, max: 8 }),
    teams: fc.array(teamOf(most), { minLength: 2, maxLength: 4 }),
    /** A team that has one call at a time, and is away between them. */
    single: fc.boolean()
  })

type World = typeof worldOf extends (most: never) => fc.Arbitrary<infer W> ? W : never

/** The first comes first, and may prime; the others find it there. */
function build({ places, teams, single }: World): readonly SimulatedTeam[] {
  const isPrimed = (teams[0]?.primes ?? 0) > 0
  const all = teams.map(
    ({ calls, weight, weightThen, reloadMs, fromMs, leaves, pauseMs, primes }, i): SimulatedTeam => ({
      name: `t${i}`,
      weightAt: ms => (ms < reloadMs ? weight : (weightThen ?? weight)),
      clients: places * 4,
      fromMs: i === 0 ? 0 : isPrimed ? Math.max(fromMs, 8_000) : fromMs,
      pauseMs,
      ...(leaves ? { untilMs: 70_000 } : {}),
      callAt: n =>
        i === 0 && n < primes
          ? { input: 20_000, output: 10, isStream: true }
          : (calls[(n * 7 + (n >> 3)) % calls.length] as SimulatedCall)
    })
  )
  if (!single) return all
  const one: SimulatedTeam = {
    name: 'single',
    weightAt: () => 1,
    clients: 1,
    fromMs: 5_000,
    pauseMs: 20,
    callAt: n => ({ input: 50, output: 10 + (n % 5) * 10, isStream: true })
  }
  return [...all, one]
}

/** Each window of each pair of teams that both have calls waiting all through it, under one weight. */
function windowsOf(world: World, schedulerOf?: Parameters<typeof simulate>[2]) {
  const teams = build(world)
  const served = simulate(teams, { places: world.places, forMs: FOR_MS }, schedulerOf)
  const weights = world.teams.map(({ weight, weightThen }) => Math.min(weight, weightThen ?? weight))
  /** The largest call of all, by weight: until it ends, a newcomer may start as far below the others. */
  const one = Math.max(...world.teams.map(({ calls }, i) => Math.max(...calls.map(costOf)) / (weights[i] ?? 1)))
  return world.teams.flatMap((_, i) =>
    world.teams.slice(0, i).flatMap((_, j) => {
      const [a, b] = [teams[i], teams[j]]
      if (a === undefined || b === undefined) return []
      return sharesOf(served, [a, b], WINDOW_MS)
        .filter(({ atMs }) => [a, b].every(({ weightAt }) => weightAt(atMs) === weightAt(atMs - WINDOW_MS - 1_000)))
        .map(({ atMs, share, made }) => ({
          apart: Math.abs(2 * share - 1),
          made,
          one,
          what: `t${i} t${j} ${atMs} ${share.toFixed(3)}`
        }))
    })
  )
}

t.test(
  'in any 30 s in which two teams wait, what they get is within a tenth of their weights, whatever their calls look like',
  async _t => {
    fc.assert(
      fc.property(worldOf({ input: 200, output: 40 }), world => {
        for (const { apart, what } of windowsOf(world)) if (apart > 0.1) throw new Error(what)
      }),
      { numRuns: 12 }
    )
  }
)

t.test('with calls of any length they differ by no more than the largest of all calls at all places', async t => {
  let [ours, known] = [0, 0]
  fc.assert(
    fc.property(worldOf({ input: 4_000, output: 600 }), world => {
      const windows = windowsOf(world)
      for (const { apart, made, one, what } of windows) {
        if ((apart - 0.1) * made > 2 * world.places * one) throw new Error(what)
      }
      for (const { apart } of windows) ours += apart / windows.length
      const best = windowsOf(world, ideal)
      for (const { apart } of best) known += apart / best.length
    }),
    { numRuns: 10, seed: 7 }
  )
  t.ok(ours <= known + 0.5, `on average as near as who knows the costs: ${ours / 10}, ${known / 10}`)
})
