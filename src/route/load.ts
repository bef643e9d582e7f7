import type { LoadNames } from '../engines/signals.ts'

/** What an engine says of its work. */
export interface Load {
  readonly running: number
  readonly waiting: number
  /** From 0 to 1. */
  readonly cacheUse: number
}

/**
 * Reads a load from an engine's `/metrics` (engines.md section 5). Series of one name are summed, because engines have one
 * per rank; of the cache the fullest counts.
 *
 * @returns null when it has none of the names
 */
export function loadFromMetrics(text: string, names: LoadNames): Load | null {
  let [running, waiting, cacheUse, isKnown] = [0, 0, 0, false]
  for (const line of text.split('\n')) {
    const name = nameOf(line)
    const value = Number(line.slice(line.lastIndexOf(' ') + 1))
    if (!Number.isFinite(value) || value < 0) continue
    if (names.running.includes(name)) running += value
    else if (names.waiting.includes(name)) waiting += value
    else if (names.cacheUse.includes(name)) cacheUse = Math.max(cacheUse, value)
    else continue
    isKnown = true
  }
  return isKnown ? { running, waiting, cacheUse } : null
}

/** Up to its labels or its value; empty for a comment. */
function nameOf(line: string): string {
  if (line.startsWith('#')) return ''
  const end = line.search(/[{ ]/)
  return end === -1 ? '' : line.slice(0, end)
}

/** Reads a load from SGLang's `/v1/loads?include=core`: one entry per rank. @returns null when it is none */
export function loadFromLoads(text: string): Load | null {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return null
  }
  const loads = isRecord(value) ? value.loads : null
  if (!Array.isArray(loads) || loads.length === 0) return null
  let [running, waiting, cacheUse] = [0, 0, 0]
  for (const load of loads) {
    if (!isRecord(load)) return null
    running += countOf(load.num_running_reqs)
    waiting += countOf(load.num_waiting_reqs)
    cacheUse = Math.max(cacheUse, countOf(load.token_usage))
  }
  return { running, waiting, cacheUse }
}

function countOf(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : 0
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
