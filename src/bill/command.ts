import { parseArgs } from 'node:util'
import { printable, printableJson } from '../printable.ts'
import { runReport } from './report-command.ts'
import { type LedgerFinding, type Verified, verifyLedger } from './verify.ts'

const HELP = `Usage: tollgate usage COMMAND [OPTIONS]

Commands:
  report          add up usage, and what it costs
  verify          say whether the ledger is whole
  export          ship usage to a sink: an HTTP endpoint or PostgreSQL
  reconcile       compare usage with what the engines have counted

'tollgate usage COMMAND --help' tells more.
`

const VERIFY_HELP = `Usage: tollgate usage verify --dir DIR [--format text|json]

Reads the whole ledger in a folder and says whether every line of it is there and is what was written: checks of lines,
seals and chains of segments, numbers that are missing, calls that were opened and have no usage. Changes nothing; gates may
go on writing.

Options:
  --dir DIR       the folder, as in 'metering.dir'
  --format        text (default) or json

Exit codes: 0 nothing is missing or changed, 1 something is, 2 wrong usage, or the folder cannot be read.
`

/** Runs `tollgate usage`. @returns 0 when all is well, 1 when something is not, 2 for wrong usage or an unreadable folder */
export async function runUsage(
  argv: readonly string[],
  out: { stdout: NodeJS.WritableStream; stderr: NodeJS.WritableStream }
): Promise<0 | 1 | 2> {
  const [command, ...rest] = argv
  if (command === 'verify') return runVerify(rest, out)
  if (command === 'report') return runReport(rest, out)
  const isHelp = command === 'help' || command === '--help' || command === '-h'
  ;(isHelp ? out.stdout : out.stderr).write(HELP)
  return isHelp ? 0 : 2
}

function runVerify(
  argv: readonly string[],
  { stdout, stderr }: { stdout: NodeJS.WritableStream; stderr: NodeJS.WritableStream }
): 0 | 1 | 2 {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      dir: { type: 'string' },
      format: { type: 'string', default: 'text' },
      help: { type: 'boolean', short: 'h' }
    }
  })
  if (values.help) {
    stdout.write(VERIFY_HELP)
    return 0
  }
  const { dir, format } = values
  if (dir === undefined || (format !== 'text' && format !== 'json')) {
    const why = dir === undefined ? '--dir DIR is missing' : '--format is text or json'
    stderr.write(`tollgate usage verify: ${why}.\n${VERIFY_HELP}`)
    return 2
  }
  let verified: Verified
  try {
    verified = verifyLedger(dir)
  } catch (err) {
    const code = err instanceof Error && 'code' in err ? String(err.code) : String(err)
    stderr.write(`tollgate usage verify: ${dir} cannot be read (${code}).\n`)
    return 2
  }
  const isWell = verified.more === 0 && verified.findings.every(({ severity }) => severity === 'note')
  stdout.write(
    format === 'json'
      ? `${printableJson(JSON.stringify({ dir, ok: isWell, ...verified }, null, 2))}\n`
      : textOf(dir, verified, isWell)
  )
  return isWell ? 0 : 1
}

function textOf(dir: string, verified: Verified, isWell: boolean): string {
  const { boots, segments, lines, usages, crashed, running, findings, more } = verified
  const count = (n: number, word: string) => `${n} ${word}${n === 1 ? '' : 's'}`
  const told = [...findings.map(textOfFinding), ...(more === 0 ? [] : [`… and ${more} more`])]
  const facts = [
    `${count(boots, 'boot')}, ${count(segments, 'segment')}, ${count(lines, 'line')}`,
    `${count(usages, 'usage')}${crashed === 0 ? '' : `, ${crashed} of them of gates that died`}`,
    ...(running === 0 ? [] : [`${count(running, 'call')} running`])
  ]
  const end = isWell ? 'nothing is missing or changed' : 'NOT WHOLE'
  return `${told.map(line => `${line}\n`).join('')}${dir}: ${end} (${facts.join('; ')})\n`
}

function textOfFinding({ severity, file, boot, message }: LedgerFinding): string {
  return `${severity === 'error' ? 'ERROR' : 'note '}  ${printable(`${file ?? boot}: ${message}`)}`
}
