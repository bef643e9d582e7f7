import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { after, Children } from './children.ts'
import { type Gate, startGate } from './gate.ts'
import { JOURNEYS } from './journeys.ts'
import { type Engine, installVllm, startVllm } from './vllm.ts'

const HELP = `Usage: npm run test:engines -- [--only TEXT] [--keep]

Tries the gate before a real, unmodified vLLM on the CPU, with a tiny model of random weights. The first run installs the
engine into \${XDG_CACHE_HOME:-~/.cache}/tollgate-test-engines: some gigabytes, and Python 3.11 to 3.13.

  --only TEXT   only the sentences that contain TEXT; nothing is recorded
  --keep        leaves the folder with the logs of the engine and the gate
`
const LIMIT_MS = 30 * 60_000
const here = (name: string) => fileURLToPath(new URL(name, import.meta.url))
const say = (line: string) => process.stderr.write(`# ${line}\n`)

const { values } = parseArgs({
  options: { only: { type: 'string' }, keep: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } }
})
if (values.help) {
  process.stdout.write(HELP)
  process.exit()
}

const children = new Children()
const dir = mkdtempSync(join(tmpdir(), 'tollgate-engines-'))
let isEnding = false

/** Whatever happened: nothing stays behind. */
async function end(code: number): Promise<never> {
  isEnding = true
  await children.endAll()
  if (values.keep) say(`the logs are in ${dir}`)
  else rmSync(dir, { recursive: true, force: true })
  process.exit(code)
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    if (isEnding) return
    say(`${signal}: ending what was started`)
    void end(1)
  })
}
setTimeout(() => {
  say(`not done within ${LIMIT_MS / 60_000} minutes`)
  void end(1)
}, LIMIT_MS).unref()

async function main(): Promise<number> {
  const venv = await installVllm(children, say)
  const engine = await startVllm(children, { venv, dir, say })
  if (values.only === undefined) await recordRoutes(engine)
  const gate = await startGate(children, engine, dir)
  say(`the gate is open on ${gate.origin}`)
  const { passed, failed } = await tryAll(gate, engine)
  gate.close()
  if (failed === 0 && values.only === undefined) recordPass(engine, passed)
  console.log(`${passed} passed, ${failed} failed`)
  return failed === 0 && passed > 0 ? 0 : 1
}

async function tryAll(gate: Gate, engine: Engine): Promise<{ passed: number; failed: number }> {
  let [passed, failed] = [0, 0]
  for (const { sentence, pending, run } of JOURNEYS) {
    if (values.only !== undefined && !sentence.includes(values.only)) continue
    if (pending) {
      console.log(`todo - ${sentence}`)
      continue
    }
    try {
      const tooLong = after(120_000).then(() => Promise.reject(new Error('not within 120 s')))
      const figures = await Promise.race([run({ gate, engine }), tooLong])
      passed++
      console.log(`ok - ${sentence}${figures === undefined ? '' : ` # ${figures}`}`)
    } catch (error) {
      failed++
      console.log(`not ok - ${sentence}: ${error instanceof Error ? error.message : error}`)
    }
  }
  return { passed, failed }
}

/** Writes down every route of this release, so that a test can tell when one is not classified. */
async function recordRoutes(engine: Engine): Promise<void> {
  const record = { engine: engine.name, version: engine.version, ...(await engine.routes()) }
  mkdirSync(here('recorded'), { recursive: true })
  writeFileSync(here(`recorded/${engine.name}-${engine.version}.json`), `${JSON.stringify(record, null, 2)}\n`)
}

/** One row per engine and version: the last time that every sentence was true. */
function recordPass(engine: Engine, sentences: number): void {
  const file = here('PASSED.md')
  const head = `# Passed

Written by \`npm run test:engines\` when every sentence was true.

| engine | version | date | sentences |
| --- | --- | --- | --- |
`
  const mine = `| ${engine.name} | ${engine.version} |`
  const rows = (existsSync(file) ? readFileSync(file, 'utf8') : '').split('\n').slice(head.split('\n').length - 1)
  const others = rows.filter(row => row.startsWith('| ') && !row.startsWith(mine))
  const row = `${mine} ${new Date().toISOString().slice(0, 10)} | ${sentences} |`
  writeFileSync(file, `${head}${[...others, row].sort().join('\n')}\n`)
}

const code = await main().catch(error => {
  if (!isEnding) console.log(`not ok - ${error instanceof Error ? error.message : error}`)
  return 1
})
await end(code)
