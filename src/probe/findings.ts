/** How bad a finding is: callers get errors; somebody should act; good to know. */
export type Severity = 'error' | 'warning' | 'info'

/**
 * Every finding. Stable: `P1xx` is the way to the engine and what it is, `P2xx` what it opens to whom, `P3xx` what it
 * serves.
 */
export const FINDINGS = {
  /** The engine cannot be reached. */
  P101: 'error',
  /** It does not answer in time. */
  P102: 'error',
  /** No trusted connection. */
  P103: 'error',
  /** It refuses the pool's key. */
  P104: 'error',
  /** It wants a key, and the pool has none. */
  P105: 'error',
  /** It has no list of models that can be read. */
  P106: 'error',
  /** It looks like another engine than the configuration says. */
  P110: 'warning',
  /** A pool of `openai` looks like an engine that the gate knows. */
  P111: 'info',
  /** Its version. */
  P112: 'info',
  /** It needs no key. */
  P201: 'warning',
  /** Whether it needs a key cannot be told. */
  P202: 'info',
  /** Routes that are never served answer without a key. */
  P210: 'warning',
  /** Routes that callers use answer without a key. */
  P211: 'warning',
  /** Routes that show something answer without a key. */
  P212: 'info',
  /** By what is known, routes that are never served are open; they were not asked. */
  P213: 'warning',
  /** A path answered as no router does, so no more were asked. */
  P214: 'warning',
  /** Its key does not guard WebSockets. */
  P215: 'info',
  /** Paths were not asked, and why. */
  P216: 'info',
  /** A route that the engine's table does not know. */
  P220: 'warning',
  /** It does not show its routes. */
  P221: 'info',
  /** It shows its routes in a way that cannot be read. */
  P222: 'warning',
  /** A configured model is not served. */
  P301: 'error',
  /** A served model is not configured. */
  P302: 'info',
  /** The targets of a pool serve different models. */
  P303: 'warning',
  /** A team may use a model that none of its pools serves. */
  P304: 'warning',
  /** A model with aliases or a scope is served by no pool. */
  P305: 'warning'
} as const satisfies Record<string, Severity>

/** The stable code of a finding. */
export type FindingCode = keyof typeof FINDINGS

/** Something that an operator should know of a target, a pool, or the file as a whole. */
export interface Finding {
  readonly code: FindingCode
  readonly severity: Severity
  /** Null: the file as a whole. */
  readonly pool: string | null
  /** Null: the pool as a whole. */
  readonly target: string | null
  readonly message: string
  /** What to do. */
  readonly hint?: string
  /** The routes that it is about, `METHOD /path`. */
  readonly routes?: readonly string[]
  /** The models that it is about. */
  readonly models?: readonly string[]
}

/** What a finding says. */
export type Words = Pick<Finding, 'message' | 'hint' | 'routes' | 'models'>

/** Makes a finding of a place. */
export function finding(at: Pick<Finding, 'pool' | 'target'>, code: FindingCode, words: Words): Finding {
  return { code, severity: FINDINGS[code], pool: at.pool, target: at.target, ...words }
}

const ORDER: readonly Severity[] = ['error', 'warning', 'info']

/** The worst first, then by code. */
export function bySeverity(a: Finding, b: Finding): number {
  return ORDER.indexOf(a.severity) - ORDER.indexOf(b.severity) || (a.code < b.code ? -1 : a.code > b.code ? 1 : 0)
}
