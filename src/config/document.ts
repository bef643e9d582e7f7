import {
  type Document,
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseAllDocuments,
  visit,
  type YAMLError
} from 'yaml'
import type { Fault, Finding, Path } from './faults.ts'
import { pathText } from './faults.ts'
import { yamlFault } from './yaml-faults.ts'

/** A name of a map, or a scalar that is a value. `to` is one after its last character. */
export interface TextSpan {
  readonly is: 'name' | 'value'
  readonly path: Path
  readonly from: number
  readonly to: number
}

/** A parsed file that knows where everything stands. */
export interface ConfigDocument {
  readonly root: Node | null
  /** Faults of the text itself: not YAML, a name twice, several documents. */
  readonly faults: readonly Fault[]
  /** The plain value, with scalars replaced by `value`. */
  toValue(): unknown
  /** Where every name and every value stands in the text. */
  spans(): readonly TextSpan[]
  /** Every scalar that is a value, with its path. */
  scalars(): readonly { path: Path; value: unknown; set(value: string): void }[]
  /** Puts a finding in its place. */
  place(finding: Finding): Fault
}

/** Parses the text of a configuration file (YAML 1.2, no tags of its own, names unique). */
export function parseDocument(text: string, file: string): ConfigDocument {
  const lines = new LineCounter()
  const documents = parseAllDocuments(text, { lineCounter: lines, strict: true, uniqueKeys: true, prettyErrors: false })
  const [document, second] = 'empty' in documents ? [] : (documents as Document[])
  const root = document?.contents ?? null
  const faultAt = (from: number, to: number, of: Omit<Fault, 'file' | 'line' | 'column' | 'endColumn'>): Fault => {
    const { line, col } = lines.linePos(Math.min(from, Math.max(0, text.length)))
    const end = lines.linePos(Math.min(to, text.length))
    const endColumn = end.line === line ? Math.max(end.col, col + 1) : lineEnd(text, from) - from + col
    return {
      ...of,
      file,
      line: Math.max(line, 1),
      column: Math.max(col, 1),
      endColumn: Math.max(endColumn, col + 1, 2)
    }
  }
  const textFault = (err: YAMLError): Fault =>
    faultAt(err.pos[0], err.pos[1], { severity: 'error', code: 'E101', path: '', message: yamlFault(err.code) })

  const faults = (document === undefined ? [] : [...document.errors, ...document.warnings]).map(textFault)
  for (const key of oddKeys(root)) {
    const { from, to } = spanOf(key) ?? { from: 0, to: 1 }
    const message = 'this key is no text to YAML and would change'
    faults.push(faultAt(from, to, { severity: 'error', code: 'E105', path: '', message, hint: 'quote it' }))
  }
  for (const { from, to } of document === undefined ? [] : brokenAliases(document)) {
    const message = 'a value that begins with * is an alias to YAML, and nothing above has this name'
    faults.push(faultAt(from, to, { severity: 'error', code: 'E104', path: '', message, hint: 'quote it' }))
  }
  if (second !== undefined) {
    const from = second.range?.[0] ?? 0
    const message = 'a second document begins here; the file must be one'
    faults.push(faultAt(from, from + 3, { severity: 'error', code: 'E102', path: '', message }))
  }

  return {
    root,
    faults,
    toValue() {
      try {
        return document?.toJS({ maxAliasCount: 100 })
      } catch {
        // Whatever the parser has to say of it, it says with the text.
        throw new Error('the file has too many aliases, or aliases in a circle')
      }
    },
    spans: () => spansOf(root, []),
    scalars: () => (root === null ? [] : scalarsOf(root, [])),
    place(finding) {
      const { from, to } = rangeOf(root, finding)
      const { severity = 'error', code, path, message, hint, hidesName } = finding
      return faultAt(from, to, {
        severity,
        code,
        path: pathText(hidesName === true ? path.slice(0, -1) : path),
        message,
        ...(hint === undefined ? {} : { hint })
      })
    }
  }
}

/** Keys that YAML reads as numbers or the like: `012` would become 12, `1e5` 100000. */
function oddKeys(node: Node | null): Node[] {
  if (isSeq(node)) return node.items.flatMap(item => oddKeys(item as Node | null))
  if (!isMap(node)) return []
  return node.items.flatMap(pair => {
    const inner = oddKeys(pair.value as Node | null)
    return isScalar(pair.key) && typeof pair.key.value === 'string' ? inner : [pair.key as Node, ...inner]
  })
}

/** Aliases of what no anchor above them names. */
function brokenAliases(document: Document): { from: number; to: number }[] {
  const found: { from: number; to: number }[] = []
  visit(document, {
    Alias(_key, alias) {
      if (alias.resolve(document) === undefined) found.push(spanOf(alias) ?? { from: 0, to: 1 })
    }
  })
  return found
}

function lineEnd(text: string, from: number): number {
  const end = text.indexOf('\n', from)
  return end === -1 ? text.length : end
}

function scalarsOf(node: Node | null, path: Path): { path: Path; value: unknown; set(value: string): void }[] {
  if (isMap(node)) {
    return node.items.flatMap(pair =>
      isPair(pair) ? scalarsOf(pair.value as Node | null, [...path, keyText(pair.key)]) : []
    )
  }
  if (isSeq(node)) return node.items.flatMap((item, index) => scalarsOf(item as Node | null, [...path, index]))
  if (!isScalar(node)) return []
  return [
    {
      path,
      value: node.value,
      set(value) {
        node.value = value
      }
    }
  ]
}

function spansOf(node: Node | null, path: Path): TextSpan[] {
  if (isMap(node)) {
    return node.items.flatMap(pair => {
      const at = [...path, keyText(pair.key)]
      const name = isScalar(pair.key) ? spanOf(pair.key) : null
      return [
        ...(name === null ? [] : [{ is: 'name' as const, path: at, ...name }]),
        ...spansOf(pair.value as Node | null, at)
      ]
    })
  }
  if (isSeq(node)) return node.items.flatMap((item, index) => spansOf(item as Node | null, [...path, index]))
  const value = isScalar(node) ? spanOf(node) : null
  return value === null ? [] : [{ is: 'value', path, ...value }]
}

/** The nearest thing in the text to what a finding is about. */
function rangeOf(root: Node | null, { path, at }: Finding): { from: number; to: number } {
  let node = root
  let best = spanOf(root) ?? { from: 0, to: 1 }
  for (const [depth, part] of path.entries()) {
    const isLast = depth === path.length - 1
    if (isMap(node)) {
      const pair = node.items.find(item => keyText(item.key) === String(part))
      if (pair === undefined) return best
      const key = spanOf(pair.key as Node | null) ?? best
      const value = spanOf(pair.value as Node | null)
      best = isLast && at === 'value' ? (value ?? key) : key
      node = pair.value as Node | null
    } else if (isSeq(node)) {
      node = (node.items[Number(part)] as Node | undefined) ?? null
      best = spanOf(node) ?? best
    } else {
      return best
    }
  }
  return best
}

function spanOf(node: Node | null): { from: number; to: number } | null {
  return node?.range == null ? null : { from: node.range[0], to: node.range[1] }
}

function keyText(key: unknown): string {
  return isScalar(key) ? String(key.value) : String(key)
}
