import { GateError } from '../errors.ts'
import type { Call, Identity, Target } from '../exchange.ts'
import { type Class, classOf } from './classes.ts'
import type { Party } from './lane.ts'
import type { RouteOptions, TeamOptions } from './options.ts'
import type { Pool } from './pool.ts'

/** Which pool a call goes to. */
export interface RouteTable {
  /**
   * @throws TOLLGATE_ROUTE_TEAM when the token names no team, or one that is not served
   * @throws TOLLGATE_ROUTE_MODEL when no pool of the team serves the model
   * @throws TOLLGATE_ROUTE_OPERATION when the engines that serve the model do not serve the route
   * @throws TOLLGATE_ROUTE_UNKNOWN when a pool that may serve it has not yet said what it serves
   * @throws TOLLGATE_ROUTE_AMBIGUOUS when a session that has not named its model yet could go to several pools
   */
  find(identity: Identity, call: Call): Pool
  /**
   * Whom a place is for.
   * @param asked the class that the caller asks for, whatever it sent
   * @throws TOLLGATE_ROUTE_TEAM
   */
  partyOf(identity: Identity, asked: unknown): Omit<Party, 'work'>
  /**
   * Whether the model that a session names later is one of the pool that it went to.
   * @throws TOLLGATE_ROUTE_TEAM, TOLLGATE_ROUTE_MODEL, TOLLGATE_ROUTE_UNKNOWN
   */
  check(identity: Identity, model: string, target: Target): void
  /** The models that the team may use and that are known. @throws TOLLGATE_ROUTE_TEAM */
  modelsOf(identity: Identity): readonly string[]
}

/** @param pools every pool that the teams name */
export function createRouteTable(teamOptions: RouteOptions['teams'], pools: ReadonlyMap<string, Pool>): RouteTable {
  const teams = new Map([...teamOptions].map(([name, team]) => [name, new Team(team, pools)]))
  const anyOther = teams.get('*')
  const teamOf = ({ team }: Identity): Team => {
    // `*` is any other team, not the lack of one: a token must name a team.
    const found = team === null || team === '*' ? undefined : (teams.get(team) ?? anyOther)
    if (found === undefined) throw new GateError('TOLLGATE_ROUTE_TEAM', { team })
    return found
  }

  return {
    find(identity, call) {
      const team = teamOf(identity)
      if (call.model !== null && !team.mayUse(call.model)) {
        throw new GateError('TOLLGATE_ROUTE_MODEL', { param: 'model', model: call.model })
      }
      // The pool that a route names need not serve the model: a training job names one that nothing serves yet.
      if (call.routePool !== null) {
        const pool = poolNamed(pools, call.routePool)
        if (!pool.offers(call)) throw new GateError('TOLLGATE_ROUTE_OPERATION', { pool: call.routePool })
        return pool
      }
      if (call.model === null) return onlyThatOffers(team, call)
      let isAnyUnknown = false
      let isOperationMissing = false
      for (const pool of team.pools) {
        const serves = pool.serves(call.model)
        if (serves === false) continue
        if (!pool.offers(call)) isOperationMissing ||= serves === true
        else if (serves === true) return pool
        else isAnyUnknown = true
      }
      if (isOperationMissing) throw new GateError('TOLLGATE_ROUTE_OPERATION', { model: call.model })
      if (isAnyUnknown) throw new GateError('TOLLGATE_ROUTE_UNKNOWN', { model: call.model })
      throw new GateError('TOLLGATE_ROUTE_MODEL', { param: 'model', model: call.model })
    },
    partyOf(identity, asked) {
      const { weight, highest } = teamOf(identity)
      return { team: identity.team ?? '', weight, class: classOf(highest, asked) }
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
  readonly weight: number
  readonly highest: Class
  readonly #models: ReadonlySet<string> | null

  constructor(options: TeamOptions, pools: ReadonlyMap<string, Pool>) {
    this.pools = options.pools.map(name => poolNamed(pools, name))
    if (this.pools.length === 0) throw new TypeError('a team needs a pool')
    this.weight = options.weight
    this.highest = options.class
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

function poolNamed(pools: ReadonlyMap<string, Pool>, name: string): Pool {
  const pool = pools.get(name)
  if (pool === undefined) throw new TypeError(`no pool named ${name}`)
  return pool
}
