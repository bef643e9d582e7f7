import { hash } from 'node:crypto'

const DIMENSIONS = 16
const SAYS = 'This is the demo engine of Tollgate: no model is running.'

/** What the demo engine says, word by word: that it is a demo, and what it was asked. */
export function wordsFor(asked: unknown): readonly string[] {
  const words = `${SAYS} You asked: ${lastTextOf(asked).slice(0, 200)}`.split(' ')
  return words.map((word, index) => (index === 0 ? word : ` ${word}`))
}

/** A vector that depends on the text and means nothing. */
export function embeddingOf(text: string): readonly number[] {
  const bytes = hash('sha256', text, 'buffer')
  return Array.from({ length: DIMENSIONS }, (_, i) => (bytes.readUInt8(i) - 127.5) / 127.5)
}

function lastTextOf(asked: unknown): string {
  if (typeof asked === 'string') return asked
  if (!Array.isArray(asked)) return ''
  const last: unknown = asked.at(-1)
  if (typeof last === 'string') return last
  const content = typeof last === 'object' && last !== null && 'content' in last ? last.content : ''
  return typeof content === 'string' ? content : ''
}
