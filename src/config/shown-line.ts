import { maskedUrl } from '../masked-url.ts'
import { parseDocument, type TextSpan } from './document.ts'

/** What a line of a file looks like to whoever may not see its secrets; null for one that cannot be shown. */
export type ShowLine = (line: number) => string | null

const HIDDEN = '••••'
/** Between names and values stand marks of YAML, and else comments, anchors and tags: those may be anything. */
const UNKNOWN = /[^\s:[\]{},"'?-]+/g

/**
 * Shows lines of a configuration with nothing but the names and values that are known to be no secrets: what a secret was put
 * next to, a misspelt name, a comment, is hidden. A text that is no YAML has no line that can be shown.
 *
 * @param isHarmless whether it is a known name, or a value that is no secret
 */
export function showLines(text: string, isHarmless: (span: TextSpan) => boolean): ShowLine {
  const document = parseDocument(text, '')
  if (document.faults.length > 0) return () => null
  const spans = document.spans()
  const starts = [0, ...[...text.matchAll(/\n/g)].map(({ index }) => index + 1)]

  return line => {
    const start = starts[line - 1]
    if (start === undefined) return null
    const end = (starts[line] ?? text.length + 1) - 1
    let [shown, at] = ['', start]
    for (const span of spans) {
      const { from, to } = span
      if (from === to || to <= start || from >= end) continue
      const [first, last] = [Math.max(from, start), Math.min(to, end)]
      const part = text.slice(first, last)
      shown += text.slice(at, first).replace(UNKNOWN, HIDDEN)
      // Of a value in several lines nobody knows what this one is.
      const isWhole = first === from && last === to
      // A reference that is none, or JSON in the place of the file that holds it.
      const isPlain = isWhole && !part.includes('{')
      shown += isPlain && isHarmless(span) ? maskedUrl(part) : HIDDEN
      at = last
    }
    return shown + text.slice(at, end).replace(UNKNOWN, HIDDEN)
  }
}
