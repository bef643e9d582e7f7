import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { verifyLedger } from '../../src/bill/verify.ts'
import { listBoots } from '../../src/segments/folder.ts'
import { ledgerIn, OPEN, USAGE, until, usagesIn } from '../helpers/ledger-files.ts'
import { readScrape } from '../helpers/scrape.ts'
import { fresh, scene } from '../helpers/two-pools.ts'

const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url))

/** A gate whose files may not become larger than so much, until `raise` is called. */
async function limitedGate(t: Parameters<typeof scene>[0], file: string, kib: number) {
  // Unless somebody listens, the kernel ends a process that writes more.
  const listens = ['--import', 'data:text/javascript,process.on("SIGXFSZ",()=>{})']
  const command = [process.execPath, ...listens, CLI, 'serve', '--config', file]
  const child = spawn('sh', ['-c', `ulimit -S -f ${kib * 2}; exec "$0" "$@"`, ...command], {
    stdio: ['ignore', 'ignore', 'pipe']
  })
  t.teardown(() => child.kill('SIGKILL'))
  let stderr = ''
  child.stderr.on('data', piece => {
    stderr += String(piece)
  })
  await until(() => stderr.includes('the gate is open') && stderr.includes('keys are in use'))
  const exit = once(child, 'exit')
  return {
    child,
    exit,
    stderr: () => stderr,
    raise: () => execFileSync('prlimit', ['--pid', String(child.pid), '--fsize=unlimited:unlimited'])
  }
}

t.test(
  'with `on_failure: reject` nobody is served whose call could not be written, and everybody again when it can be',
  async t => {
    const s = await scene(t)
    await s.a.script({ kind: 'json', body: {} })
    const dir = `${s.dir}/usage`
    const text = s.text('a', `metering: { dir: ${dir}, on_failure: reject }`).replace(/audit: .*\n/, '')
    writeFileSync(s.file, text)
    // A file size that may not be exceeded refuses writes as a full disk does, half way too.
    const gate = await limitedGate(t, s.file, 32)
    let served = 0
    while ((await fresh(s)) === '200') served++
    t.ok(served > 10, String(served))
    await until(() => gate.stderr().includes('usage cannot be written'))
    const refused = await s.ask()
    t.equal(refused.status, 503)
    const now = readScrape(await (await fetch(`${s.adminUrl}/metrics`)).text())
    t.ok((now.value('tollgate_ledger_write_errors_total') ?? 0) > 0)
    t.ok((now.value('tollgate_ledger_queue_events') ?? 0) > 0)
    t.ok((now.value('tollgate_ledger_oldest_unflushed_seconds') ?? 0) > 0)
    t.equal(refused.headers.get('retry-after'), '5')
    t.match(await refused.json(), { error: { code: 'ledger_unavailable' } })
    const asked = (await s.a.requests()).length
    t.equal((await s.ask()).status, 503)
    t.equal((await s.a.requests()).length, asked, 'no engine is asked')
    gate.raise()
    await until(() => gate.stderr().includes('usage is written again'))
    t.equal(await fresh(s), '200')
    gate.child.kill('SIGTERM')
    await gate.exit
    t.match(verifyLedger(dir), { usages: served + 1, findings: [] })
  }
)

t.test('with `on_failure: continue` everybody is served meanwhile, and it is all written in the end', async t => {
  const s = await scene(t)
  await s.a.script({ kind: 'json', body: {} })
  const dir = `${s.dir}/usage`
  writeFileSync(s.file, s.text('a', `metering: { dir: ${dir} }`).replace(/audit: .*\n/, ''))
  const gate = await limitedGate(t, s.file, 32)
  let served = 0
  while (!gate.stderr().includes('usage cannot be written')) {
    t.equal(await fresh(s), '200')
    served++
  }
  for (let n = 0; n < 50; n++, served++) t.equal(await fresh(s), '200')
  gate.raise()
  await until(() => gate.stderr().includes('usage is written again'))
  gate.child.kill('SIGTERM')
  await gate.exit
  t.match(verifyLedger(dir), { usages: served, findings: [] })
})

t.test('a disk that is really full, and has room again, costs nothing', async t => {
  const dir = mkdtempSync(join(tmpdir(), 'tollgate-full-'))
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=128k', 'tmpfs', dir], { stdio: 'ignore' })
  } catch {
    t.comment('no file system may be mounted here')
    return
  }
  t.teardown(() => execFileSync('umount', [dir]))
  const { ledger, told } = ledgerIn(dir, { segmentBytes: 20_000 })
  const write = (count: number) => {
    for (let n = 0; n < count; n++) ledger.charge(ledger.open(OPEN), 'team-a', USAGE)
  }
  write(5)
  await until(() => usagesIn(dir).length === 5)
  try {
    writeFileSync(`${dir}/filler`, Buffer.alloc(200 * 1024))
  } catch {
    // As much as fits.
  }
  write(50)
  await until(() => told.length > 0)
  t.strictSame(told, ['failing ENOSPC'])
  write(10)
  rmSync(`${dir}/filler`)
  await until(() => told.length > 1)
  t.strictSame(told, ['failing ENOSPC', 'recovered'])
  await ledger.close()
  t.match(verifyLedger(dir), { usages: 65, findings: [] })
  t.ok((listBoots(dir)[0]?.segments.length ?? 0) > 1)
  t.strictSame(
    readdirSync(dir).filter(file => !file.endsWith('.jsonl')),
    []
  )
})
