import t from 'tap'
import { finding } from '../../src/probe/findings.ts'
import { createShow, reportJson, reportText, shown } from '../../src/probe/report.ts'
import { someFacts } from './some-facts.ts'

const show = createShow(['key-1', 'key-1-longer', ''])
const at = { pool: 'p', target: 'http://gpu1:8000' }

t.test('secrets are masked, the longer first, and controls become one harmless character', async t => {
  t.equal(show('a key-1-longer b key-1'), 'a •••• b ••••')
  t.equal(show('a\u001b[31m\r\nb\u0085\u202e\u2028'), 'a\\u001b[31m\\u000d\\u000ab\\u0085\\u202e\\u2028')
  t.equal(show('模型 é 😀'), '模型 é 😀')
  t.equal(show('x'.repeat(20), 10), `${'x'.repeat(9)}…`)
  t.equal(show(`${'x'.repeat(6)}key-1`, 10), 'xxxxxx••••', 'no half of a secret is left at the cut')
})

t.test('every text of a finding is cleaned', async t => {
  const one = finding(at, 'P301', { message: 'key-1\u0007', hint: 'key-1', routes: ['GET /key-1'], models: ['key-1'] })
  t.notMatch(JSON.stringify(shown(one, show)), /key-1|[^\\]\\u0007/)
})

t.test('a person reads a line per finding, long lists cut; a program gets the whole list', async t => {
  const models = Array.from({ length: 15 }, (_, i) => `m${i}`)
  const findings = [
    finding(at, 'P112', { message: 'version 1' }),
    finding(at, 'P301', { message: 'configured, but not served', models, hint: 'do something' })
  ]
  const report = { file: 'f.yaml', facts: [someFacts()], findings }
  t.equal(
    reportText(report, show, { color: false }),
    `pool p (vllm)
  http://gpu1:8000 serves qwen
    error   P301 configured, but not served: m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, and 3 more; do something
    info    P112 version 1

1 target of 1 pool asked: 1 error, 0 warnings, 1 info
`
  )
  const json = JSON.parse(reportJson(report, show))
  t.strictSame(json.findings[0].models, models)
  t.strictSame(json.summary, { targets: 1, errors: 1, warnings: 0, infos: 1 })
})

t.test('a target without a finding is fine, and colours are for terminals', async t => {
  const report = { file: 'f', facts: [someFacts()], findings: [] }
  t.match(reportText(report, show, { color: false }), /serves qwen\n {4}fine\n/)
  t.match(reportText(report, show, { color: true }), '\u001b[1mpool p (vllm)')
})
