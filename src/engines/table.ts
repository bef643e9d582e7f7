import { LMDEPLOY } from './lmdeploy.ts'
import { OPENAI } from './openai.ts'
import type { EngineTable, OperationName } from './operations.ts'
import { SGLANG } from './sglang.ts'
import { SWIFT } from './swift.ts'
import { VLLM } from './vllm.ts'

/** The kind of server that a pool's targets run; `openai` is any OpenAI-compatible server or router. */
export const ENGINES = ['vllm', 'sglang', 'lmdeploy', 'swift', 'openai'] as const
/** One of them. */
export type Engine = (typeof ENGINES)[number]

/** The table of every engine. */
export const TABLES: Readonly<Record<Engine, EngineTable>> = {
  vllm: VLLM,
  sglang: SGLANG,
  lmdeploy: LMDEPLOY,
  swift: SWIFT,
  openai: OPENAI
}

/** What an engine's table says of a route. */
export type Verdict =
  | { readonly is: 'served'; readonly operation: OperationName }
  | { readonly is: 'gate' }
  | { readonly is: 'closed'; readonly what: string; readonly operation: OperationName | null }
  | { readonly is: 'never'; readonly what: string }

const indexes = new Map(ENGINES.map(engine => [engine, indexOf(TABLES[engine])]))

/** Looks a route up in one engine's table. @returns null for a route that the table does not know */
export function verdictOf(engine: Engine, method: string, path: string): Verdict | null {
  const index = indexes.get(engine)
  if (index === undefined) return null
  const exact = index.exact.get(`${method} ${path}`)
  if (exact !== undefined) return exact
  return index.patterns.find(({ pattern }) => pattern.test(`${method} ${path}`))?.verdict ?? null
}

/** Whether an engine's own table lets a route be passed on, with or without an operator who opens it. */
export function mayServe(engine: Engine, method: string, path: string): boolean {
  const verdict = verdictOf(engine, method, path)
  return verdict !== null && (verdict.is === 'served' || verdict.is === 'closed')
}

/** Whether an engine's own key, where it has one, guards a path. @returns null where that is not known */
export function isGuarded(engine: Engine, path: string): boolean | null {
  const { key } = TABLES[engine]
  if (key === null) return null
  const begins = (prefix: string) => path.startsWith(prefix)
  return key.guards.some(begins) && !key.open.some(begins)
}

/** Every row of an engine's table, in its order. */
export function rowsOf(engine: Engine): readonly { readonly route: string; readonly verdict: Verdict }[] {
  const { serves, gate, closed, never } = TABLES[engine]
  return [
    ...Object.entries(serves).flatMap(([operation, routes]) =>
      routes.map(route => ({ route, verdict: { is: 'served', operation: operation as OperationName } as const }))
    ),
    ...gate.map(route => ({ route, verdict: { is: 'gate' } as const })),
    ...closed.flatMap(({ what, routes, operation }) =>
      routes.map(route => ({ route, verdict: { is: 'closed', what, operation: operation ?? null } as const }))
    ),
    ...Object.entries(never).flatMap(([what, routes]) =>
      routes.map(route => ({ route, verdict: { is: 'never', what } as const }))
    )
  ]
}

interface Index {
  readonly exact: ReadonlyMap<string, Verdict>
  readonly patterns: readonly { readonly pattern: RegExp; readonly verdict: Verdict }[]
}

function indexOf(table: EngineTable): Index {
  const engine = ENGINES.find(name => TABLES[name] === table) ?? 'openai'
  const rows = rowsOf(engine)
  const isPattern = (route: string) => /[{*]/.test(route)
  return {
    exact: new Map(rows.filter(({ route }) => !isPattern(route)).map(({ route, verdict }) => [route, verdict])),
    patterns: rows
      .filter(({ route }) => isPattern(route))
      .map(({ route, verdict }) => ({ pattern: patternOf(route), verdict }))
  }
}

function patternOf(route: string): RegExp {
  const escaped = route
    .replace(/[.]/g, '\\.')
    .replace(/\{[a-z_]+\}/g, '[^/]+')
    .replace(/\*$/, '.*')
  return new RegExp(`^${escaped}$`)
}
