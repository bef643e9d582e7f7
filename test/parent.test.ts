import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'

const MODULE = new URL('../src/parent.ts', import.meta.url).href
const UNDER_NPM = { ...process.env, npm_config_user_agent: 'npm/11' }
const program = `
  import { watchParent } from ${JSON.stringify(MODULE)}
  watchParent(process.env, () => { console.log('gone'); process.exit() })
  console.log(process.pid)
  setTimeout(() => {}, 60_000)`
const RUN = `"${process.execPath}" --input-type=module -e "$PROGRAM"`

/** What a shell's child says. No shell here replaces itself by its child. */
async function start(t: Test, command: string, env: NodeJS.ProcessEnv) {
  const child = spawn('sh', ['-c', command], {
    env: { ...env, PROGRAM: program },
    stdio: ['ignore', 'pipe', 'inherit']
  })
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  const pid = Number((await lines.next()).value)
  t.teardown(() => {
    child.kill('SIGKILL')
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It has ended.
    }
  })
  return { child: child as ChildProcess, lines }
}

t.test('under npm, a process learns of the end of the shell that npm has started', async t => {
  const { child, lines } = await start(t, `${RUN}; true`, UNDER_NPM)
  child.kill('SIGTERM')
  t.equal((await lines.next()).value, 'gone')
})

t.test('under npm, a process learns of the end of npm, which its shell outlives', async t => {
  const { child, lines } = await start(t, `sh -c '${RUN.replaceAll("'", "'\\''")}; true'; true`, UNDER_NPM)
  child.kill('SIGKILL')
  t.equal((await lines.next()).value, 'gone')
})

t.test('without npm, nobody watches: what started a service may end', async t => {
  const { npm_config_user_agent: _, ...env } = process.env
  const code = program.replace(
    'setTimeout(() => {}, 60_000)',
    "console.log(process.getActiveResourcesInfo().includes('Timeout'))"
  )
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
    env,
    stdio: ['ignore', 'pipe', 'inherit']
  })
  const lines = await text(child.stdout)
  t.match(lines, /^\d+\nfalse\n$/)
})

t.test('scripts of npm are replaced by what they run, so that its signals arrive', async t => {
  const { scripts } = JSON.parse(readFileSync(fileURLToPath(new URL('../package.json', import.meta.url)), 'utf8'))
  for (const name of ['tollgate', 'start']) t.match(scripts[name], /^exec node /)
})
