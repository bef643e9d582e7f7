import fc from 'fast-check'
import t from 'tap'
import type { Usage } from '../../src/exchange.ts'
import { GUESS } from '../../src/route/cost.ts'
import { Lane, type Party, type Ticket, type Waiting } from '../../src/route/lane.ts'

const party = (team: string, weight = 1): Party => ({ team, weight, class: 'default' })
/** Ended with an answer whose weighted tokens are these; an even number, at least 10. */
const cost = (tokens: number) => ({
  usage: {
    source: 'engine_final',
    inputTokens: 0,
    cachedInputTokens: null,
    outputTokens: tokens / 2,
    reasoningTokens: null,
    audioSeconds: null
  } satisfies Usage,
  status: 200,
  failure: null
})

/** Calls by name, the team first: what a test says of a lane. */
function scene() {
  const lane = new Lane<string>()
  const waiting = new Map<string, { party: Party; place: Waiting<string> }>()
  return {
    lane,
    join(who: Party, name: string) {
      waiting.set(name, { party: who, place: lane.join(who, name) })
    },
    leave(name: string) {
      const found = waiting.get(name)
      if (found === undefined || !waiting.delete(name)) return
      lane.leave(found.place)
    },
    serve(): { name: string; team: string; ticket: Ticket } | null {
      const name = lane.next()
      const found = name === null ? undefined : waiting.get(name)
      if (name === null || found === undefined) return null
      const ticket = lane.begin(found.party)
      waiting.delete(name)
      lane.leave(found.place)
      return { name, team: found.party.team, ticket }
    }
  }
}

/** Serves one call at a time, each of which costs so much, and has the names of those served. */
function inTurn(s: ReturnType<typeof scene>, count: number, costOf: (team: string) => number): string[] {
  return Array.from({ length: count }, () => {
    const served = s.serve()
    served?.ticket.end(cost(costOf(served.team)))
    return served?.name ?? ''
  })
}

t.test(
  'a team that asks for one call comes before the many of another, and inside a team the first comes first',
  async t => {
    const s = scene()
    for (let i = 0; i < 4; i++) s.join(party('a'), `a${i}`)
    t.strictSame(
      inTurn(s, 1, () => 100),
      ['a0']
    )
    s.join(party('b'), 'b0')
    s.join(party('b'), 'b1')
    t.strictSame(
      inTurn(s, 5, () => 100),
      ['b0', 'a1', 'b1', 'a2', 'a3']
    )
  }
)

t.test('whoever has been away has saved up nothing', async t => {
  const s = scene()
  // One short call of b goes on all the time, while a has many and nobody waits.
  s.lane.begin(party('b'))
  for (let i = 0; i < 100; i++) s.lane.begin(party('a')).end(cost(10_000))
  for (let i = 0; i < 10; i++) {
    s.join(party('a'), `a${i}`)
    s.join(party('b'), `b${i}`)
  }
  const served = inTurn(s, 10, () => 10_000).map(name => name[0])
  const ofA = served.filter(team => team === 'a').length
  t.ok(ofA === 4 || ofA === 5, served.join(''))
})

t.test('asking for one call at a time, each of which is long, does not get more', async t => {
  const s = scene()
  for (let i = 0; i < 500; i++) s.join(party('short'), `s${i}`)
  const had = { short: 0, long: 0 }
  s.join(party('long'), 'l')
  for (let i = 0; i < 400; i++) {
    const served = s.serve()
    if (served === null) break
    const team = served.team as 'short' | 'long'
    const tokens = team === 'long' ? 10_000 : 100
    had[team] += tokens
    served.ticket.end(cost(tokens))
    // It comes back after its call has ended, and nothing of it waits or runs meanwhile.
    if (team === 'long') s.join(party('long'), 'l')
  }
  t.ok(Math.abs(had.short - had.long) <= 10_000, JSON.stringify(had))
})

t.test('a team that starts many at once is charged before it has used anything', async t => {
  const s = scene()
  for (let i = 0; i < 8; i++) s.join(party('a'), `a${i}`)
  const first = [s.serve(), s.serve()]
  s.join(party('b'), 'b0')
  s.join(party('b'), 'b1')
  t.strictSame([s.serve()?.name, s.serve()?.name], ['b0', 'a2'])
  t.equal(s.lane.counterOf('a'), 3 * GUESS)
  for (const served of first) served?.ticket.end(cost(10))
  t.equal(s.lane.counterOf('a'), GUESS + 20, 'and for what it was when it has ended')
})

t.test('what is not measured costs what it was thought to, what was never begun nothing', async t => {
  const s = scene()
  s.join(party('b'), 'b')
  s.lane.begin(party('a', 2)).end(cost(500))
  const before = s.lane.counterOf('a') ?? 0
  const estimate = GUESS + (500 - GUESS) / 8
  s.lane.begin(party('a', 2)).end()
  t.equal(s.lane.counterOf('a'), before)
  s.lane.begin(party('a', 2)).end({ usage: null, status: 200, failure: null })
  t.equal(s.lane.counterOf('a'), before + estimate / 2)
})

t.test('a lane where nobody waits or runs remembers nobody', async t => {
  const s = scene()
  const tickets = Array.from({ length: 1_000 }, (_, i) => s.lane.begin(party(`t${i}`)))
  s.join(party('x'), 'x')
  t.equal(s.lane.teams, 1_001)
  for (const ticket of tickets) ticket.end(cost(100_000))
  t.ok(s.lane.teams <= 1 + 256, String(s.lane.teams))
  s.leave('x')
  t.strictSame([s.lane.teams, s.lane.waiting, s.lane.running], [0, 0, 0])
})

t.test(
  'teams that always wait get tokens in proportion to their weights, within the cost of the calls that run',
  async _t => {
    const MAX = 5_000
    const world = fc.record({
      weights: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 2, maxLength: 4 }),
      places: fc.integer({ min: 1, max: 4 }),
      costs: fc.array(fc.integer({ min: 5, max: MAX / 2 }), { minLength: 1, maxLength: 50, size: 'max' }),
      ends: fc.array(fc.nat(3), { minLength: 1, maxLength: 20, size: 'max' })
    })
    fc.assert(
      fc.property(world, ({ weights, places, costs, ends }) => {
        const s = scene()
        const teams = weights.map((weight, i) => ({ who: party(`t${i}`, weight), had: 0 }))
        let names = 0
        for (const { who } of teams) for (let i = 0; i < 5; i++) s.join(who, `n${names++}`)
        const running: NonNullable<ReturnType<typeof s.serve>>[] = []
        for (let i = 0; i < 200; i++) {
          while (running.length < places) {
            const served = s.serve()
            if (served === null) return false
            running.push(served)
            const team = teams.find(({ who }) => who.team === served.team)
            if (team !== undefined) s.join(team.who, `n${names++}`)
          }
          const [ended] = running.splice((ends[i % ends.length] ?? 0) % running.length, 1)
          const team = teams.find(({ who }) => who.team === ended?.team)
          if (ended === undefined || team === undefined) return false
          const tokens = 2 * (costs[i % costs.length] ?? 5)
          team.had += tokens
          ended.ticket.end(cost(tokens))
          for (const a of teams) {
            for (const b of teams) {
              // With one place: the cost of one call. With more, those that run are not counted yet.
              const slack = places === 1 ? MAX / a.who.weight : places * (MAX / a.who.weight + MAX / b.who.weight)
              if (a.had / a.who.weight - b.had / b.who.weight > slack + 1e-6) return false
            }
          }
        }
        return true
      })
    )
  }
)

t.test('whatever comes, begins, ends and leaves: a plain model says the same, and nothing is left', async _t => {
  const TEAMS = [party('a'), party('b', 2), party('c', 3)]
  const step = fc.record({
    what: fc.constantFrom('join', 'join', 'serve', 'serve', 'begin', 'end', 'end', 'leave'),
    team: fc.nat(2),
    n: fc.nat(30),
    tokens: fc.integer({ min: 5, max: 5_000 })
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 150, size: 'max' }), steps => {
      const s = scene()
      const model = new Model()
      const running: { ticket: Ticket; team: string; charged: number }[] = []
      const names: string[] = []
      let count = 0
      for (const { what, team, n, tokens } of steps) {
        const who = TEAMS[team] ?? party('a')
        if (what === 'join') {
          const name = `${who.team}${count++}`
          names.push(name)
          s.join(who, name)
          model.join(who, name)
        } else if (what === 'serve') {
          const served = s.serve()
          const expected = model.serve()
          if (served?.name !== expected?.name) return false
          if (served !== null && expected !== null) running.push({ ...served, charged: expected.charged })
        } else if (what === 'begin' && s.lane.waiting === 0) {
          running.push({ ticket: s.lane.begin(who), team: who.team, charged: model.begin(who) })
        } else if (what === 'end' && running.length > 0) {
          const [one] = running.splice(n % running.length, 1)
          one?.ticket.end(cost(2 * tokens))
          if (one !== undefined) model.end(one, 2 * tokens)
        } else if (what === 'leave') {
          const name = names[n] ?? ''
          s.leave(name)
          model.leave(name)
        }
        if (s.lane.next() !== model.next() || s.lane.waiting !== model.waiting) return false
        if (s.lane.running !== running.length) return false
        for (const { team } of TEAMS) if (s.lane.counterOf(team) !== model.counterOf(team)) return false
      }
      for (const name of names) s.leave(name)
      for (const { ticket } of running) ticket.end(cost(100))
      return s.lane.teams === 0 && s.lane.waiting === 0 && s.lane.running === 0
    }),
    { numRuns: 500 }
  )
})

interface ModelTeam extends Party {
  counter: number
  mean: number
  running: number
  names: string[]
  servedAt: number
  askedAt: number
  idleSince: number
}

/** The same rules without any structure: lists that are looked through from end to end. */
class Model {
  #teams: ModelTeam[] = []
  #level = 0
  #mean = GUESS
  #now = 0

  get waiting(): number {
    return this.#teams.reduce((sum, { names }) => sum + names.length, 0)
  }

  counterOf(team: string): number | undefined {
    return this.#teams.find(one => one.team === team)?.counter
  }

  next(): string | null {
    return this.#first()?.names[0] ?? null
  }

  join(who: Party, name: string): void {
    const team = this.#come(who)
    if (team.names.length === 0) team.askedAt = ++this.#now
    team.names.push(name)
  }

  leave(name: string): void {
    const team = this.#teams.find(({ names }) => names.includes(name))
    if (team === undefined) return
    team.names = team.names.filter(other => other !== name)
    this.#go(team)
  }

  serve(): { name: string; charged: number } | null {
    const team = this.#first()
    const name = team?.names[0]
    if (team === undefined || name === undefined) return null
    const charged = this.begin(team)
    team.names.shift()
    return { name, charged }
  }

  begin(who: Party): number {
    const team = this.#come(who)
    this.#level = Math.max(this.#level, team.counter)
    team.servedAt = ++this.#now
    team.running++
    team.counter += team.mean / team.weight
    return team.mean
  }

  end({ team: name, charged }: { team: string; charged: number }, tokens: number): void {
    const team = this.#teams.find(one => one.team === name)
    if (team === undefined) throw new Error('it runs')
    team.mean += (tokens - team.mean) / 8
    this.#mean += (tokens - this.#mean) / 8
    team.running--
    team.counter += tokens / team.weight - charged / team.weight
    this.#go(team)
  }

  #first(): ModelTeam | undefined {
    return this.#teams
      .filter(({ names }) => names.length > 0)
      .sort((a, b) => a.counter - b.counter || a.servedAt - b.servedAt || a.askedAt - b.askedAt)[0]
  }

  #floor(): number {
    return this.#first()?.counter ?? this.#level
  }

  #isIdle({ running, names }: ModelTeam): boolean {
    return running === 0 && names.length === 0
  }

  #come(who: Party): ModelTeam {
    const floor = this.#floor()
    const known = this.#teams.find(one => one.team === who.team)
    const isKept = known !== undefined && (!this.#isIdle(known) || known.counter > floor)
    if (!isKept) this.#teams = this.#teams.filter(one => one !== known)
    const team = isKept
      ? known
      : { ...who, counter: 0, mean: this.#mean, running: 0, names: [], servedAt: 0, askedAt: 0, idleSince: 0 }
    if (!isKept) this.#teams.push(team)
    if (team.names.length === 0) team.counter = Math.max(team.counter, floor)
    return team
  }

  #go(team: ModelTeam): void {
    if (!this.#isIdle(team)) return
    team.idleSince = ++this.#now
    if (this.#teams.every(one => this.#isIdle(one))) {
      this.#teams = []
      this.#level = 0
      return
    }
    const floor = this.#floor()
    if (team.counter <= floor) this.#teams = this.#teams.filter(one => one !== team)
    // The longest away first, up to the first that owes still.
    for (const one of this.#teams.filter(one => this.#isIdle(one)).sort((a, b) => a.idleSince - b.idleSince)) {
      if (one.counter > floor) break
      this.#teams = this.#teams.filter(other => other !== one)
    }
  }
}
