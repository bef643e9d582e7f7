import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { after, Children } from './children.ts'
import { seconds } from './journey.ts'
import { routeJourneys } from './journeys/routes.ts'
import { PARTS, type Stage } from './parts.ts'
import { recordPass } from './passed.ts'

const HELP = `Usage: npm run test:engines -- [--part NAME]… [--only TEXT] [--keep]

Tries the gate before real, unmodified engines on the CPU, with tiny models of random weights, and with real client
libraries. The first run installs them into \${XDG_CACHE_HOME:-~/.cache}/tollgate-test-engines: some gigabytes, and Python
3.11 to 3.13.

  --part NAME   only this part; several may be named:
${Object.entries(PARTS)
  .map(([name, { what }]) => `                  ${name.padEnd(8)} ${what}`)
  .join('\n')}
  --only TEXT   only the sentences that contain TEXT; nothing is recorded. With --part, no other engine is started
  --keep        leaves the folder with the logs of the engines and the gate
`
/** With everything to be installed. A whole pass of what is installed takes a third of it. */
const LIMIT_MS = 45 * 60_000
const SENTENCE_LIMIT_MS = 120_000
const say = (line: string) => process.stderr.write(`# ${line}\n`)

const { values } = parseArgs({
  options: {
    part: { type: 'string', multiple: true },
    only: { type: 'string' },
    keep: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' }
  }
})
if (values.help) {
  process.stdout.write(HELP)
  process.exit()
}
const unknown = values.part?.find(name => !Object.hasOwn(PARTS, name))
if (unknown !== undefined) {
  say(`there is no part ${unknown}: ${Object.keys(PARTS).join(', ')}`)
  process.exit(2)
}

const dir = mkdtempSync(join(tmpdir(), 'tollgate-engines-'))
/** Those of the part that is being tried. */
let children = new Children()
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

/** What came of sentences. */
interface Count {
  readonly passed: number
  readonly failed: number
}

async function main(): Promise<number> {
  let [passed, failed] = [0, 0]
  for (const [name, part] of Object.entries(PARTS)) {
    if (values.part !== undefined && !values.part.includes(name)) continue
    const startedAtMs = performance.now()
    const count = await tryPart(name, part.open).catch(error => {
      if (!isEnding) console.log(`not ok - ${name}: ${error instanceof Error ? error.message : error}`)
      return { passed: 0, failed: 1 }
    })
    passed += count.passed
    failed += count.failed
    if (isEnding) break
    say(`${name}: ${count.passed} passed, ${count.failed} failed, in ${seconds(performance.now() - startedAtMs)}`)
    await children.endAll()
    children = new Children()
  }
  console.log(`${passed} passed, ${failed} failed`)
  return failed === 0 && passed > 0 ? 0 : 1
}

async function tryPart(name: string, open: (typeof PARTS)[string]['open']): Promise<Count> {
  const folder = join(dir, name)
  mkdirSync(folder)
  const stage = await open({ children, dir: folder, say })
  try {
    if (values.only === undefined) await recordRoutes(stage)
    const count = await tryAll(stage)
    if (count.failed === 0 && values.only === undefined) recordPass(name, stage.cast, count.passed)
    return count
  } finally {
    stage.close?.()
  }
}

async function tryAll({ record, journeys }: Stage): Promise<Count> {
  let [passed, failed] = [0, 0]
  for (const { sentence, pending, run } of [...routeJourneys(record), ...journeys]) {
    if (values.only !== undefined && !sentence.includes(values.only)) continue
    if (pending) {
      console.log(`todo - ${sentence}`)
      continue
    }
    const tooLong = after(SENTENCE_LIMIT_MS).then(() => Promise.reject(new Error('not within 120 s')))
    tooLong.catch(() => {})
    try {
      const figures = await Promise.race([run(), tooLong])
      passed++
      console.log(`ok - ${sentence}${figures === undefined ? '' : ` # ${figures}`}`)
    } catch (error) {
      failed++
      console.log(`not ok - ${sentence}: ${error instanceof Error ? error.message : error}`)
    }
  }
  return { passed, failed }
}

/** Writes down every route of these releases, so that a test can tell when one is not classified. */
async function recordRoutes({ record }: Stage): Promise<void> {
  for (const [name, engine] of Object.entries(record)) {
    const found = { engine: engine.name, version: engine.version, ...(await engine.routes()) }
    const file = fileURLToPath(new URL(`recorded/${name}.json`, import.meta.url))
    writeFileSync(file, `${JSON.stringify(found, null, 2)}\n`)
  }
}

await end(await main())
