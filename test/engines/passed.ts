import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const FILE = fileURLToPath(new URL('PASSED.md', import.meta.url))
const HEAD = `# Passed

Written by \`npm run test:engines\`: a row for each part, when every sentence of it was true last, and with what.

| part | with | date | sentences |
| --- | --- | --- | --- |
`

/** One row per part. */
export function recordPass(part: string, cast: readonly string[], sentences: number): void {
  const mine = `| ${part} |`
  const text = existsSync(FILE) ? readFileSync(FILE, 'utf8') : ''
  const rows = text.startsWith(HEAD) ? text.slice(HEAD.length).split('\n') : []
  const others = rows.filter(row => row.startsWith('| ') && !row.startsWith(mine))
  const row = `${mine} ${cast.join(', ')} | ${new Date().toISOString().slice(0, 10)} | ${sentences} |`
  writeFileSync(FILE, `${HEAD}${[...others, row].sort().join('\n')}\n`)
}
