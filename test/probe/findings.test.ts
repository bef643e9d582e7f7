import { readFileSync } from 'node:fs'
import t from 'tap'
import { bySeverity, FINDINGS, type FindingCode, finding } from '../../src/probe/findings.ts'

t.test('the worst stands first, then by code', async t => {
  const at = { pool: 'p', target: null }
  const codes: FindingCode[] = ['P302', 'P112', 'P210', 'P301', 'P101', 'P110']
  const sorted = codes.map(code => finding(at, code, { message: 'x' })).sort(bySeverity)
  t.strictSame(
    sorted.map(({ code }) => code),
    ['P101', 'P301', 'P110', 'P210', 'P112', 'P302']
  )
})

t.test('every code is found somewhere, and every finding has its code in the table', async t => {
  const text = ['access', 'exposure', 'models']
    .map(file => readFileSync(new URL(`../../src/probe/${file}.ts`, import.meta.url), 'utf8'))
    .join('')
  const used = [...text.matchAll(/'(P\d{3})'/g)].map(([, code]) => code ?? '')
  t.strictSame([...new Set(used)].sort(), Object.keys(FINDINGS).sort())
})
