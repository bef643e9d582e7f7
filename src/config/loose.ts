import type { Finding, Path } from './faults.ts'

/** A value of the file before anything is known of it. */
export type Loose = { readonly [key: string]: unknown }

export function mapOf(value: unknown): Loose {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Loose) : {}
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

export function error(code: string, path: Path, message: string, hint?: string): Finding {
  return { code, path, at: 'value', message, ...(hint === undefined ? {} : { hint }) }
}

export function warning(code: string, path: Path, message: string): Finding {
  return { ...error(code, path, message), severity: 'warning' }
}
