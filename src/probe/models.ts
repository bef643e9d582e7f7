import type { Engine } from '../engines/table.ts'
import type { Facts } from './facts.ts'
import { type Finding, finding } from './findings.ts'

/** What the configuration says of models. */
export interface ConfiguredModels {
  /** Pool → the models that it lists, or null where they are learned. */
  readonly byPool: ReadonlyMap<string, readonly string[] | null>
  /** Team → its pools, and the models that it may use or null for all. */
  readonly teams: ReadonlyMap<string, { readonly pools: readonly string[]; readonly models: readonly string[] | null }>
  /** The models that have aliases or a scope of their own. */
  readonly named: readonly string[]
}

/** Where the models of the configuration and those of the engines differ. @param all the facts of every target asked */
export function judgeModels(all: readonly Facts[], configured: ConfiguredModels): readonly Finding[] {
  const pools = new Map(
    [...configured.byPool].map(([name, list]) => [name, { list, facts: all.filter(({ pool }) => pool === name) }])
  )
  return [
    ...all.flatMap(facts => targetFindings(facts, configured.byPool.get(facts.pool) ?? null)),
    ...[...pools].flatMap(([pool, { facts }]) => poolFindings(pool, facts)),
    ...fileFindings(configured, new Map([...pools].map(([name, { list, facts }]) => [name, list ?? learned(facts)])))
  ]
}

function targetFindings(facts: Facts, list: readonly string[] | null): readonly Finding[] {
  const names = namesOf(facts)
  if (list === null || names === null) return []
  const findings: Finding[] = []
  const missing = list.filter(name => !serves(facts.engine, names, name))
  if (missing.length > 0) {
    const hint = `callers get an error or another model; correct pools.${facts.pool}.models, or start the engine with these names`
    findings.push(finding(facts, 'P301', { message: 'configured, but not served', hint, models: missing }))
  }
  const others = names.filter(name => !list.includes(name))
  if (others.length > 0)
    findings.push(finding(facts, 'P302', { message: 'served, but not configured', models: others }))
  return findings
}

function poolFindings(pool: string, facts: readonly Facts[]): readonly Finding[] {
  const lists = facts.map(namesOf).filter(names => names !== null)
  const differing = [...new Set(lists.flat())].filter(name => !lists.every(names => names.includes(name)))
  if (differing.length === 0) return []
  const hint = 'calls go to any target of a pool: give each kind of engine a pool of its own'
  return [
    finding({ pool, target: null }, 'P303', {
      message: 'served by some targets of the pool alone',
      hint,
      models: differing
    })
  ]
}

/** @param served pool → what it serves, or null where not every target has said so */
function fileFindings(
  { teams, named }: ConfiguredModels,
  served: ReadonlyMap<string, readonly string[] | null>
): readonly Finding[] {
  const file = { pool: null, target: null }
  const findings: Finding[] = []
  const gaps = (names: readonly string[], pools: readonly string[]): readonly string[] => {
    const lists = pools.map(pool => served.get(pool) ?? null)
    return lists.includes(null) ? [] : names.filter(name => !lists.some(list => list?.includes(name)))
  }
  for (const [team, { pools, models }] of teams) {
    const missing = gaps(models ?? [], pools)
    if (missing.length > 0) {
      findings.push(
        finding(file, 'P304', { message: `no pool of teams.${team} serves what the team may use`, models: missing })
      )
    }
  }
  const missing = gaps(named, [...served.keys()])
  if (missing.length > 0) {
    findings.push(finding(file, 'P305', { message: "under 'models', but served by no pool", models: missing }))
  }
  return findings
}

function learned(facts: readonly Facts[]): readonly string[] | null {
  const lists = facts.map(namesOf)
  return lists.length === 0 || lists.includes(null) ? null : lists.flatMap(names => names ?? [])
}

function namesOf({ models }: Facts): readonly string[] | null {
  return models.is === 'said' ? models.value.names : null
}

function serves(engine: Engine, names: readonly string[], name: string): boolean {
  if (names.includes(name)) return true
  // SGLang takes `base:adapter`, and lists the two apart (engines.md section 0, conclusion 3).
  const parts = name.split(':')
  return engine === 'sglang' && parts.length > 1 && parts.every(part => names.includes(part))
}
