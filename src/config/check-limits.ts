import { type Finding, type Path, suggest } from './faults.ts'
import { error, type Loose, listOf, mapOf } from './loose.ts'

/** Two budgets of one thing in one period would be one bucket, drawn from twice. */
export function checkBudgets(root: Loose): Finding[] {
  const limits = mapOf(root.limits)
  const places: readonly (readonly [Path, unknown])[] = [
    ...['default', 'per_ip', 'global'].map(name => [['limits', name], limits[name]] as const),
    ...Object.entries(mapOf(root.models)).map(([name, of]) => [['models', name, 'limits'], mapOf(of).limits] as const),
    ...Object.entries(mapOf(root.teams)).flatMap(([name, team]) => [
      [['teams', name], team] as const,
      [['teams', name, 'per_user'], mapOf(team).per_user] as const,
      ...Object.entries(mapOf(mapOf(team).per_model)).map(
        ([model, of]) => [['teams', name, 'per_model', model], of] as const
      )
    ])
  ]
  return places.flatMap(([path, of]) => {
    const seen = new Set<string>()
    return listOf(mapOf(of).budget).flatMap((item, index) => {
      const budget = mapOf(item)
      return ['tokens', 'requests'].flatMap(what => {
        if (budget[what] === undefined) return []
        const name = `${what} per ${String(budget.per)}`
        if (seen.has(name)) return [error('E317', [...path, 'budget', index], `${name} stand twice`)]
        seen.add(name)
        return []
      })
    })
  })
}

/** Limits for a name that no call ever has would limit nothing. */
export function checkModelLimits(
  root: Loose,
  pools: readonly unknown[],
  models: readonly string[],
  at: Path
): Finding[] {
  const served = servedBy(root, pools)
  return models.flatMap(model => {
    const path = [...at, 'per_model', model]
    const owner = Object.entries(mapOf(root.models)).find(([, of]) => listOf(mapOf(of).aliases).includes(model))
    if (owner !== undefined)
      return [error('E309', path, `"${model}" is an alias of ${owner[0]}, whose name it is to be`)]
    return served === null || served.includes(model) ? [] : [unserved(model, served, path)]
  })
}

export function checkThresholds(thresholds: readonly unknown[]): Finding[] {
  const seen = new Set<unknown>()
  return thresholds.flatMap((item, index) => {
    const { name, requests_per_minute: requests, tokens_per_minute: tokens } = mapOf(item)
    const at: Path = ['alerts', 'per_user', index]
    const findings: Finding[] = []
    if (requests === undefined && tokens === undefined) {
      findings.push(error('E315', at, 'a threshold needs requests_per_minute, tokens_per_minute or both'))
    }
    if (seen.has(name)) findings.push(error('E316', [...at, 'name'], `${String(name)} stands twice`))
    seen.add(name)
    return findings
  })
}

/** Null unless every pool lists its models: what is learned cannot be checked here. */
export function servedBy(root: Loose, pools: readonly unknown[]): readonly string[] | null {
  const lists = pools.map(pool => mapOf(mapOf(root.pools)[String(pool)]).models)
  return lists.length === 0 || !lists.every(Array.isArray) ? null : lists.flat().map(String)
}

export function unserved(model: string, served: readonly string[], path: Path): Finding {
  const hint = suggest(model, served) ?? `they serve: ${served.join(', ')}`
  return error('E309', path, `no pool of the team serves "${model}"`, hint)
}
