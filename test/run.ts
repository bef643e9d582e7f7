import { spawn } from 'node:child_process'
import { globSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, relative, resolve } from 'node:path'
import { parseArgs } from 'node:util'

const HELP = `Usage: npm run unit [-- FILE…] [--jobs N]

Runs the tests: all of them, or the files that are named.

The files of one folder share a process: starting one for each file takes longer than most tests. Files that start programs, and
take long, have a process each. To run one test alone:
npx tap test/FOLDER/FILE.test.ts

  --jobs N   how many processes at once (3)
`

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

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { jobs: { type: 'string', default: '3' }, help: { type: 'boolean', short: 'h' } }
})
if (values.help) process.stdout.write(HELP)
else {
  const files = positionals.length > 0 ? positionals : filesToRun()
  const tap = spawn('tap', ['--jobs', values.jobs, ...files], { cwd: ROOT, stdio: 'inherit' })
  tap.once('error', err => {
    process.stderr.write(`tap did not start: ${err.message}. Run this as 'npm run unit', after 'npm ci'.\n`)
    process.exitCode = 1
  })
  tap.once('exit', code => {
    process.exitCode = code ?? 1
  })
}
