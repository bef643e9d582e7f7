import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { parseConfig } from '../../src/config/load.ts'
import { reportText } from '../../src/config/report.ts'

const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url))
const GOOD = `issuers: [{ issuer: https://idp.example.com, audience: a }]
pools: { p: { engine: vllm, targets: [http://gpu1:8000] } }
teams: { t: { pool: p } }
`

t.test('a fault shows file, line and column, the line itself, a caret under the part at fault, and advice', async t => {
  const text = GOOD.replace('vllm', 'vlmm')
  const result = parseConfig(text, { file: 'tollgate.yaml', env: {} })
  t.equal(
    reportText(result, { color: false }),
    `tollgate.yaml:2:23 error E205 pools.p.engine is "vlmm"; allowed: vllm, sglang, lmdeploy, swift, openai
    2 | pools: { p: { engine: vlmm, targets: [http://gpu1:8000] } }
      |                       ^^^^ did you mean "vllm"?
1 problem (1 error, 0 warnings)
`
  )
})

t.test('a secret that stands in the line is masked', async t => {
  const text = GOOD.replace('engine: vllm', 'engine: vlmm, api_key: hush-hush')
  const report = reportText(parseConfig(text, { file: 'f', env: {} }), { color: true })
  t.notMatch(report, /hush/)
  t.match(report, /••••/)
})

t.test('the command ends with 0, 1 or 2, and says what it found on standard output', async t => {
  const dir = t.testdir()
  const run = (text: string | null, ...more: string[]) => {
    if (text !== null) writeFileSync(`${dir}/t.yaml`, text)
    const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, 'check', ...more], { encoding: 'utf8' })
    return { status, stdout, stderr }
  }
  t.match(run(GOOD, `${dir}/t.yaml`), { status: 0, stdout: /fine \(1 issuer, 1 pool, 1 team\)/, stderr: '' })
  t.match(run(GOOD.replace('vllm', 'x'), `${dir}/t.yaml`), { status: 1, stdout: /E205/ })
  t.match(run(null, `${dir}/none.yaml`), { status: 2, stderr: /ENOENT/ })
  t.match(run(null), { status: 2, stderr: /Usage/ })
  t.match(run(null, '--wrong'), { status: 2, stderr: /wrong/ })
  const json = run(GOOD.replace('vllm', 'x'), `${dir}/t.yaml`, '--format', 'json')
  t.match(JSON.parse(json.stdout), { ok: false, faults: [{ line: 2, column: 23, code: 'E205' }] })
})
