/** Unicode's Other (controls, formats such as the bidirectional ones, unassigned), line and paragraph separators. */
const OTHER = /[\p{C}\p{Zl}\p{Zp}]/gu
const OTHER_THAN_LINE_ENDS = /[^\P{C}\n]|[\p{Zl}\p{Zp}]/gu
/** Most lines hold nothing else: this look is the quick one. */
const BEYOND_ASCII = /[^\x20-\x7e\n]/

/** A text for a terminal, a table or a line of words: what a terminal would obey is written as `\uXXXX`, line ends too. */
export function printable(text: string): string {
  return text.replace(OTHER, escaped)
}

/** A text of several lines likewise: its line ends stay. */
export function printableLines(text: string): string {
  return text.replace(OTHER_THAN_LINE_ENDS, escaped)
}

/**
 * A JSON text with the same value, in which what a terminal would obey, or would take for the end of a line, is written as
 * `\uXXXX` (RFC 8259 section 7). JSON.stringify leaves DEL, C1 controls, bidirectional marks and U+2028 as they are.
 * @param json JSON texts, each in one line or indented
 */
export function printableJson(json: string): string {
  return BEYOND_ASCII.test(json) ? printableLines(json) : json
}

/** Callers choose some of the texts, and a spreadsheet would run what looks like a formula. */
const FORMULA = /^[\s\p{C}]*[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]/u

/** A cell of CSV (RFC 4180) that no spreadsheet takes for a formula, and no terminal obeys. */
export function csvCell(text: string): string {
  const harmless = printable(FORMULA.test(text) ? `'${text}` : text)
  return /[",']/.test(harmless) || harmless !== harmless.trim() ? `"${harmless.replaceAll('"', '""')}"` : harmless
}

/** By UTF-16 units: what lies beyond the basic plane is two of them. */
function escaped(found: string): string {
  const units = Array.from({ length: found.length }, (_, i) => found.charCodeAt(i))
  return units.map(unit => `\\u${unit.toString(16).padStart(4, '0')}`).join('')
}
