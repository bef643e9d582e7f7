/** Something wrong with a configuration file, and where. */
export interface Fault {
  readonly severity: 'error' | 'warning'
  /** Stable: `E1xx` is the text, `E2xx` the shape, `E3xx` what does not fit together, `W4xx` what is unwise. */
  readonly code: string
  readonly file: string
  /** From 1. */
  readonly line: number
  /** From 1. */
  readonly column: number
  /** One after the last column of the part that is at fault. */
  readonly endColumn: number
  /** `pools.qwen.targets[0].url`; empty for the file as a whole. */
  readonly path: string
  readonly message: string
  readonly hint?: string
}

/** A fault before its place in the text is known. */
export interface Finding {
  readonly severity?: 'warning'
  readonly code: string
  readonly path: Path
  /** Whether the name of the member is at fault or its value. */
  readonly at: 'key' | 'value'
  readonly message: string
  readonly hint?: string
  /** The last name of the path may be a secret that YAML took for a name: it is not shown. */
  readonly hidesName?: true
}

/** A way into the file: names and indexes. */
export type Path = readonly (string | number)[]

/** Writes a path as operators know it. */
export function pathText(path: Path): string {
  return path.reduce<string>(
    (text, part) => (typeof part === 'number' ? `${text}[${part}]` : text === '' ? part : `${text}.${part}`),
    ''
  )
}

/**
 * The name of a file or a variable out of a configuration, for a message. A text that may be a secret, or a key that was put
 * where its file is named, is not shown: the place of the fault tells where it stands.
 */
export function nameShown(text: string): string {
  return /^[\w./~@+ -]{1,200}$/.test(text) && (/[./]/.test(text) || /^[A-Z][A-Z0-9_]*$/.test(text))
    ? text
    : '(not shown)'
}

/** `did you mean "x"?` for the nearest of the words, or undefined when none is near. */
export function suggest(word: string, words: readonly string[]): string | undefined {
  const nearest = words
    .map(candidate => ({ candidate, distance: distance(word.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)[0]
  const isNear = nearest !== undefined && nearest.distance <= Math.max(1, Math.floor(word.length / 3))
  return isNear ? `did you mean "${nearest.candidate}"?` : undefined
}

/** The number of letters to insert, remove, replace or swap with a neighbour. */
function distance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)]
  const cell = (i: number, j: number) => rows[i]?.[j] ?? Number.POSITIVE_INFINITY
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    rows.push(row)
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1]
      let best = Math.min(cell(i - 1, j) + 1, (row[j - 1] ?? 0) + 1, cell(i - 1, j - 1) + (isSame ? 0 : 1))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, cell(i - 2, j - 2) + 1)
      row.push(best)
    }
  }
  return cell(a.length, b.length)
}
