import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'

const MODULE = new URL('../src/end-process.ts', import.meta.url)
const CLI = fileURLToPath(new URL('../src/cli.ts', import.meta.url))

t.test('a process ends with its code although nobody reads what it has written', async t => {
  const code = `
    import { endProcess } from ${JSON.stringify(MODULE.href)}
    process.stdout.write('x'.repeat(4_000_000))
    await endProcess(3)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  t.strictSame(await once(child, 'exit'), [3, null])
})

t.test('a log on a socket that nobody reads, as that of a service manager, keeps no process from its end', async t => {
  t.strictSame(await endOf(t, 1), [3, null])
})

t.test('a write that the kernel does not end keeps no process either', async t => {
  t.strictSame(await endOf(t, 3), [null, 'SIGKILL'])
})

/** Of a process that has written much to a descriptor. Those that Node makes for its children are sockets. */
async function endOf(t: Test, fd: number): Promise<unknown[]> {
  const code = `
    import { endProcess } from ${JSON.stringify(MODULE.href)}
    import { LineWriter } from ${JSON.stringify(new URL('./line-writer.ts', MODULE).href)}
    const writer = new LineWriter(${fd}, { maxHeldBytes: 1e8, gatherMs: 0, onFailing() {}, onRecovered() {} })
    for (let n = 0; n < 100; n++) writer.write('x'.repeat(40_000) + '\\n')
    await writer.close()
    await endProcess(3)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
    stdio: ['ignore', 'pipe', 'inherit', 'pipe']
  })
  t.teardown(() => child.kill('SIGKILL'))
  return await once(child, 'exit')
}

t.test('a command whose reader leaves ends quietly', async t => {
  const child = spawn(process.execPath, [CLI, 'help'], { stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => child.kill('SIGKILL'))
  child.stdout.destroy()
  let said = ''
  child.stderr.on('data', text => {
    said += String(text)
  })
  t.strictSame(await once(child, 'close'), [0, null])
  t.equal(said, '')
})
