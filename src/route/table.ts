import { type Engine, verdictOf } from '../engines/table.ts'
import { GateError } from '../errors.ts'
import type { Call, Identity, Target } from '../exchange.ts'
import type { PoolOptions, RouteOptions, TeamOptions } from './options.ts'

/** Which engine a call goes to. */
export interface RouteTable {
  /**
   * @throws TOLLGATE_ROUTE_TEAM when the token names no team, or one that is not served
   * @throws TOLLGATE_ROUTE_MODEL when no pool of the team serves the model
   * @throws TOLLGATE_ROUTE_OPERATION when the engines that serve the model do not serve the route
   * @throws TOLLGATE_ROUTE_UNKNOWN when a pool that may serve it has not yet said what it serves
   * @throws TOLLGATE_ROUTE_AMBIGUOUS when a session that has not named its model yet could go to several pools
   */
  choose(identity: Identity, call: Call): Target
  /**
   * Whether the model that a session names later is one of the pool that it went to.
   * @throws TOLLGATE_ROUTE_TEAM, TOLLGATE_ROUTE_MODEL, TOLLGATE_ROUTE_UNKNOWN
   */
  check(identity: Identity, model: string, target: Target): void
  /** The models that the team may use and that are known. @throws TOLLGATE_ROUTE_TEAM */
  modelsOf(identity: Identity): readonly string[]
}

/** @param deps.learned the models that a pool's engine said it serves, or null before it has said so */
export function createRouteTable(
  options: RouteOptions,
  deps: { readonly learned: (pool: string) => readonly string[] | null }
): RouteTable {
  const pools = new Map([...options.pools.values()].map(pool => [pool.name, new Pool(pool, deps.learned)]))
  const teams = new Map([...options.teams].map(([name, team]) => [name, new Team(team, pools)]))
  const anyOther = teams.get('*')
  const teamOf = ({ team }: Identity): Team => {
    // `*` is any other team, not the lack of one: a token must name a team.
    const found = team === null || team === '*' ? undefined : (teams.get(team) ?? anyOther)
    if (found === undefined) throw new GateError('TOLLGATE_ROUTE_TEAM', { team })
    return found
  }

  return {
    choose(identity, call) {
      const team = teamOf(identity)
      if (call.model !== null && !team.mayUse(call.model)) {
        throw new GateError('TOLLGATE_ROUTE_MODEL', { param: 'model', model: call.model })
      }
      // The pool that a route names need not serve the model: a training job names one that nothing serves yet.
      if (call.routePool !== null) {
        const pool = poolNamed(pools, call.routePool)
        if (!pool.offers(call)) throw new GateError('TOLLGATE_ROUTE_OPERATION', { pool: call.routePool })
        return pool.nextTarget()
      }
      if (call.model === null) return onlyThatOffers(team, call).nextTarget()
      let isAnyUnknown = false
      let isOperationMissing = false
      for (const pool of team.pools) {
        const serves = pool.serves(call.model)
        if (serves === false) continue
        if (!pool.offers(call)) isOperationMissing ||= serves === true
        else if (serves === true) return pool.nextTarget()
        else isAnyUnknown = true
      }
      if (isOperationMissing) throw new GateError('TOLLGATE_ROUTE_OPERATION', { model: call.model })
      if (isAnyUnknown) throw new GateError('TOLLGATE_ROUTE_UNKNOWN', { model: call.model })
      throw new GateError('TOLLGATE_ROUTE_MODEL', { param: 'model', model: call.model })
    },
    check(identity, model, target) {
      const serves = teamOf(identity).mayUse(model) && poolNamed(pools, target.pool).serves(model)
      if (serves === null) throw new GateError('TOLLGATE_ROUTE_UNKNOWN', { model })
      if (!serves) throw new GateError('TOLLGATE_ROUTE_MODEL', { param: 'model', model })
    },
    modelsOf(identity) {
      const team = teamOf(identity)
      const names = new Set(team.pools.flatMap(pool => pool.models()))
      return [...names].filter(name => team.mayUse(name))
    }
  }
}

class Team {
  readonly pools: readonly Pool[]
  readonly #models: ReadonlySet<string> | null

  constructor(options: TeamOptions, pools: ReadonlyMap<string, Pool>) {
    this.pools = options.pools.map(name => poolNamed(pools, name))
    if (this.pools.length === 0) throw new TypeError('a team needs a pool')
    this.#models = options.models === null ? null : new Set(options.models)
  }

  mayUse(model: string): boolean {
    return this.#models === null || this.#models.has(model)
  }
}

/** For calls without a model: the first pool, but for a session, whose model must be one of its pool. */
function onlyThatOffers(team: Team, call: Call): Pool {
  const [pool, another] = team.pools.filter(pool => pool.offers(call))
  if (pool === undefined) throw new GateError('TOLLGATE_ROUTE_OPERATION')
  if (another !== undefined && call.operation === 'realtime') throw new GateError('TOLLGATE_ROUTE_AMBIGUOUS')
  return pool
}

class Pool {
  readonly #engine: Engine
  readonly #targets: readonly Target[]
  readonly #configured: ReadonlySet<string> | null
  readonly #learn: () => readonly string[] | null
  #learnedFrom: readonly string[] | null = null
  #learned: ReadonlySet<string> = new Set()
  #turn = 0

  constructor(options: PoolOptions, learned: (pool: string) => readonly string[] | null) {
    this.#targets = options.targets.map(origin => ({ pool: options.name, engine: options.engine, origin }))
    this.#engine = options.engine
    this.#configured = options.models === null ? null : new Set(options.models)
    this.#learn = () => learned(options.name)
  }

  /** Null: not known yet. */
  serves(model: string): boolean | null {
    const models = this.#known()
    return models === null ? null : models.has(model)
  }

  /** Whether its engine has the route of a call: in its table, or opened by the operator and not forbidden there. */
  offers({ method, path, routeScope }: Call): boolean {
    const verdict = verdictOf(this.#engine, method, path)
    return routeScope === null ? verdict?.is === 'served' : verdict === null || verdict.is === 'closed'
  }

  models(): readonly string[] {
    return [...(this.#known() ?? [])]
  }

  /** Round robin. */
  nextTarget(): Target {
    const target = this.#targets[this.#turn]
    if (target === undefined) throw new TypeError('a pool needs a target')
    this.#turn = (this.#turn + 1) % this.#targets.length
    return target
  }

  #known(): ReadonlySet<string> | null {
    if (this.#configured !== null) return this.#configured
    const list = this.#learn()
    if (list === null) return null
    if (list !== this.#learnedFrom) {
      this.#learnedFrom = list
      this.#learned = new Set(list)
    }
    return this.#learned
  }
}

function poolNamed(pools: ReadonlyMap<string, Pool>, name: string): Pool {
  const pool = pools.get(name)
  if (pool === undefined) throw new TypeError(`no pool named ${name}`)
  return pool
}
