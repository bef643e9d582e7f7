import { maskedUrl } from '../masked-url.ts'
import { type Path, pathText } from './faults.ts'

/** One value that differs between two configurations. */
export interface Change {
  /** `pools.qwen.targets[0].url`. */
  readonly path: string
  /** JSON texts; null where there is none. Secrets are masked. */
  readonly before: string | null
  readonly after: string | null
  /** The running gate cannot follow it. */
  readonly needsRestart: boolean
}

/** What is bound when the gate starts: its listeners, what opens them, and the files that it writes to. */
const STARTUP: readonly Path[] = [
  ['server', 'listen'],
  ['server', 'tls'],
  ['admin'],
  ['audit'],
  ['metering'],
  ['store'],
  ['revocation', 'keep'],
  ['mint']
]

const MASK = '••••'

/**
 * Finds what differs between two configurations, value by value.
 * @param isSecret whether a value at a path may not be shown
 */
export function changesBetween(
  before: unknown,
  after: unknown,
  isSecret: (path: Path) => boolean,
  path: Path = []
): readonly Change[] {
  if (isTree(before) && isTree(after)) {
    const names = [...new Set([...Object.keys(before), ...Object.keys(after)])]
    return names.flatMap(name => {
      const step = Array.isArray(before) && Array.isArray(after) ? Number(name) : name
      return changesBetween(before[name], after[name], isSecret, [...path, step])
    })
  }
  const texts = [before, after].map(value => (value === undefined ? null : JSON.stringify(value)))
  if (texts[0] === texts[1]) return []
  const show = (value: unknown) =>
    value === undefined ? null : JSON.stringify(masked(value, isSecret, undefined, path))
  const at = pathText(path)
  return [{ path: at, before: show(before), after: show(after), needsRestart: isReadAtStart(at) }]
}

/** What a gate runs with: what it was started with of the keys that are read at the start alone, and the rest as loaded. */
export function inEffect(started: unknown, loaded: unknown): unknown {
  return STARTUP.reduce((tree, key) => withValueOf(started, tree, key), loaded)
}

function withValueOf(from: unknown, into: unknown, [step, ...rest]: Path): unknown {
  if (step === undefined) return from
  const [source, { [step]: old, ...others }] = [isTree(from) ? from[step] : undefined, isTree(into) ? into : {}]
  const value = withValueOf(source, old, rest)
  return value === undefined ? others : { ...(isTree(into) ? into : {}), [step]: value }
}

/** The change of a secret, which is not shown. @param at its path, as `pathText` writes it */
export function secretChange(at: string): Change {
  const shown = JSON.stringify(MASK)
  return { path: at, before: shown, after: shown, needsRestart: isReadAtStart(at) }
}

function isReadAtStart(at: string): boolean {
  return STARTUP.map(pathText).some(key => at === key || at.startsWith(`${key}.`) || at.startsWith(`${key}[`))
}

/** What stands in the place of a secret. */
export type Mask = (secret: unknown) => string

/** A configuration with its secrets masked, what stands in URLs as user or query among them. */
export function masked(
  value: unknown,
  isSecret: (path: Path) => boolean,
  mask: Mask = () => MASK,
  path: Path = []
): unknown {
  if (Array.isArray(value)) return value.map((item, index) => masked(item, isSecret, mask, [...path, index]))
  if (isTree(value)) {
    return Object.fromEntries(
      Object.entries(value).map(([name, item]) => [name, masked(item, isSecret, mask, [...path, name])])
    )
  }
  if (isSecret(path)) return mask(value)
  return typeof value === 'string' ? maskedUrl(value, mask) : value
}

/** `teams.red.pool "a" → "b"`, with what it needs. */
export function changeText({ path, before, after, needsRestart }: Change): string {
  const what = before === null ? `added: ${after}` : after === null ? `removed: ${before}` : `${before} → ${after}`
  return `${path} ${what}${needsRestart ? ' (needs a restart)' : ''}`
}

function isTree(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}
