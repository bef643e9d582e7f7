import { readFileSync, writeFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { runUsage } from '../../src/bill/command.ts'
import { segmentFile } from '../../src/segments/format.ts'
import { BOOT, openLine, segmentBytes, usageLine } from '../helpers/ledger-lines.ts'
import { Written } from '../helpers/written.ts'

const NAME = segmentFile({ instance: 'gw-0', boot: BOOT, number: 0, isOpen: false })

async function run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const [stdout, stderr] = [new Written(), new Written()]
  const code = await runUsage(args, { stdout, stderr })
  return { code, stdout: stdout.text, stderr: stderr.text }
}

const dirWith = (t: Test) =>
  t.testdir({ [NAME]: segmentBytes({ lines: [openLine, seq => usageLine(seq, seq - 1)], isLast: true }).bytes })

t.test('a whole ledger is said to be whole, in words and as JSON', async t => {
  const dir = dirWith(t)
  t.strictSame(await run('verify', '--dir', dir), {
    code: 0,
    stdout: `${dir}: nothing is missing or changed (1 boot, 1 segment, 4 lines; 1 usage)\n`,
    stderr: ''
  })
  const { code, stdout } = await run('verify', '--dir', dir, '--format', 'json')
  t.equal(code, 0)
  t.match(JSON.parse(stdout), { dir, ok: true, boots: 1, lines: 4, usages: 1, findings: [] })
})

t.test('what is wrong is said, where, and by the exit code', async t => {
  const dir = dirWith(t)
  const bytes = readFileSync(`${dir}/${NAME}`)
  bytes[bytes.indexOf('"u-1"') + 1] = 0x58
  writeFileSync(`${dir}/${NAME}`, bytes)
  const { code, stdout } = await run('verify', '--dir', dir)
  t.equal(code, 1)
  t.match(stdout, `ERROR  ${NAME}: a line is not what was written`)
  t.match(stdout, /: NOT WHOLE \(/)
  t.match(JSON.parse((await run('verify', '--dir', dir, '--format', 'json')).stdout), { ok: false })
})

t.test('wrong usage, and a folder that is none, are another matter', async t => {
  t.match(await run('verify'), { code: 2, stderr: /--dir DIR is missing/ })
  t.match(await run('verify', '--dir', 'x', '--format', 'csv'), { code: 2, stderr: /--format is text or json/ })
  t.match(await run('verify', '--dir', `${t.testdir()}/none`), { code: 2, stderr: /cannot be read \(ENOENT\)/ })
  t.match(await run('rob'), { code: 2, stderr: /^Usage: tollgate usage verify/ })
  t.match(await run('--help'), { code: 0, stdout: /^Usage: tollgate usage verify/ })
  t.match(await run('verify', '--help'), { code: 0, stdout: /^Usage: tollgate usage verify/ })
})

t.test('a folder without a ledger is whole', async t => {
  t.match(await run('verify', '--dir', t.testdir()), { code: 0, stdout: /0 boots, 0 segments, 0 lines; 0 usages/ })
})
