import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { globSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import { basename, dirname, relative, resolve } from 'node:path'
import { parseArgs } from 'node:util'

const HELP = `Usage: npm run unit [-- FILE…] [--jobs N]

Runs the tests: all of them, or the files that are named.

The files of one folder share a process: starting one for each file takes longer than most tests. Files that start programs, and
take long, have a process each. They are plain processes of Node, as operators run the gateway, without the hooks of tap's runner,
with which everything takes twice as long to start. To run one test alone: npx tap test/FOLDER/FILE.test.ts

  --jobs N   how many processes at once (3)
`

/** A file may take so long beside others on a busy machine. */
const TIMEOUT_SEC = 180
/**
 * Into Node's cache of what is compiled. Only processes that end by themselves write it, and those that are killed, as most
 * gateways are, would compile all of it again.
 */
async function fillCompileCache(): Promise<void> {
  await Promise.all([import('../src/serve.ts'), import('../src/deps.ts')])
  flushCompileCache()
}

/** Their files have a process each. */
const APART = new Set(['test/flow', 'test/faults', 'test/engines'])
const ROOT = resolve(import.meta.dirname, '..')
const TOGETHER = resolve(ROOT, 'node_modules/.cache/together')

/** Writes a file for each folder that imports the tests of it. @returns what is to be run, the longest first */
function filesToRun(): readonly string[] {
  const byFolder = Map.groupBy(globSync('test/**/*.test.ts', { cwd: ROOT }).sort(), dirname)
  rmSync(TOGETHER, { recursive: true, force: true })
  mkdirSync(TOGETHER, { recursive: true })
  const apart: string[] = []
  const together: string[] = []
  for (const [folder, files] of byFolder) {
    if (APART.has(folder)) {
      apart.push(...files)
      continue
    }
    const file = resolve(TOGETHER, `${basename(folder)}.test.mjs`)
    const imports = files.map(test => `import '${relative(TOGETHER, resolve(ROOT, test))}'\n`)
    writeFileSync(file, imports.join(''))
    together.push(relative(ROOT, file))
  }
  return [...apart, ...together]
}

/** Runs files: says what came of them as TAP, or on a terminal by tap's report. @returns the exit code */
async function runFiles(files: readonly string[], jobs: string): Promise<number> {
  const main = resolve(import.meta.dirname, 'run-files.ts')
  const { isTTY } = process.stdout
  const tests = spawn(process.execPath, [main, ...files], {
    cwd: ROOT,
    env: { ...process.env, TEST_JOBS: jobs, TAP_TIMEOUT: String(TIMEOUT_SEC) },
    stdio: ['inherit', isTTY ? 'pipe' : 'inherit', 'inherit']
  })
  const ended = once(tests, 'exit')
  if (isTTY) {
    const tap = spawn('tap', ['--timeout', '0', '-'], { cwd: ROOT, stdio: [tests.stdout, 'inherit', 'inherit'] })
    tap.once('error', err => {
      process.stderr.write(`tap did not start: ${err.message}. Run this as 'npm run unit', after 'npm ci'.\n`)
      tests.kill()
    })
    await once(tap, 'close').catch(() => {})
  }
  const [code] = (await ended) as [number | null]
  return code ?? 1
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { jobs: { type: 'string', default: '3' }, help: { type: 'boolean', short: 'h' } }
})
if (values.help) process.stdout.write(HELP)
else {
  await fillCompileCache()
  process.exitCode = await runFiles(positionals.length > 0 ? positionals : filesToRun(), values.jobs)
}
