#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { endProcess, forgiveClosedPipes } from './end-process.ts'
import { printable, printableLines } from './printable.ts'

const HELP = `tollgate - the gate in front of your GPU nodes

Usage: tollgate COMMAND [OPTIONS]

Commands:
  serve --config FILE      run the gate until SIGTERM
  check FILE               show every fault of a configuration file
  explain --config FILE --token TOKEN --path PATH [--method POST] [--model NAME]
                           show what each room decides about a request, and why
  probe --config FILE      ask every engine what it is, what it serves and what its port opens
  usage report --dir DIR   add up usage by team, subject, model, day, and what it costs
  usage verify --dir DIR   say whether the ledger of usage is whole
  usage export --config FILE --sink NAME [--follow]
                           ship usage to a sink: an HTTP endpoint or PostgreSQL
  usage reconcile --prometheus URL --from TIME --to TIME --config FILE
                           compare usage with what the engines have counted
  bans list|lift|add       show who is banned at a running gate, lift a ban, ban by hand
  token                    make a key set and sign test tokens
  users                    add, suspend and remove users of the gate itself, set passwords
  api-keys                 make, list and revoke API keys
  revoke --sub SUBJECT     take tokens back: also by --jti, --team, --kid; 'revoke list', 'revoke lift ID'
  keys                     list the keys that the gate signs with, rotate them, take one away that has leaked
  healthcheck [--url URL]  ask a running gate whether it is alive
  help                     show this text
  version                  show the version

'tollgate COMMAND --help' tells more. Exit codes: 0 fine, 1 a fault was found or a request would be refused, 2 wrong usage.
`

const SERVE_HELP = `Usage: tollgate serve --config FILE [--take-over]

Runs the gate. The audit log goes where 'audit.to' says, messages for the operator to stderr as JSON lines.
SIGHUP and a change of the file load it anew; SIGHUP also reopens an audit log that was renamed. SIGTERM or SIGINT drains and
stops; a second one stops at once.

Options:
  --config FILE   the configuration
  --take-over     share the ports with the gate that listens there, until that one is told to stop
`

const CHECK_HELP = `Usage: tollgate check FILE [--format text|json] [--diff [--url URL]]

Shows every fault of the file at once, with its line and column. With --diff, shows what a reload would change in the
running gate, and what of it needs a restart. Exit codes: 0 no fault, 1 faults, 2 the file or the gate cannot be read.

Options:
  --diff          compare with the running gate
  --url URL       its second listener, default http://127.0.0.1:9090; its admin.token is read from TOLLGATE_ADMIN_TOKEN
  --format        text (default) or json
`

/**
 * Loads what a command needs and nothing else: a health check every few seconds is not to cost what a gateway does.
 * @returns the exit code: 0 fine, 1 a fault was found, 2 wrong usage
 */
async function main(argv: readonly string[]): Promise<number> {
  const [command, ...rest] = argv
  const { stdout, stderr, env } = process
  switch (command) {
    case 'serve':
      return await serveCommand(rest)
    case 'check':
      return await checkCommand(rest)
    case 'explain':
      return await (await import('./explain-command.ts')).runExplain(rest, { stdout, stderr, env })
    case 'probe':
      return await (await import('./probe/command.ts')).runProbe(rest, { stdout, stderr, env })
    case 'usage':
      if (rest[0] === 'reconcile')
        return await (await import('./reconcile/command.ts')).runReconcile(rest.slice(1), { stdout, stderr, env })
      if (rest[0] === 'export')
        return await (await import('./export/command.ts')).runExport(rest.slice(1), { stdout, stderr, env })
      return await (await import('./bill/command.ts')).runUsage(rest, { stdout, stderr })
    case 'bans':
      return await (await import('./admin/bans-command.ts')).runBans(rest, { stdout, stderr, env })
    case 'token':
      return await (await import('./mint/token-command.ts')).runToken(rest, { stdout, stderr })
    case 'users':
      return await (await import('./mint/users-command.ts')).runUsers(rest, {
        stdin: process.stdin,
        stdout,
        stderr,
        tools: (await import('./config/account-tools.ts')).accountTools(env)
      })
    case 'api-keys':
      return await (await import('./mint/api-keys-command.ts')).runApiKeys(rest, {
        stdout,
        stderr,
        tools: (await import('./config/account-tools.ts')).accountTools(env)
      })
    case 'revoke':
      return await (await import('./admin/revoke-command.ts')).runRevoke(rest, { stdout, stderr, env })
    case 'keys':
      return await (await import('./mint/keys-command.ts')).runKeys(rest, {
        stdout,
        stderr,
        tools: (await import('./config/account-tools.ts')).accountTools(env)
      })
    case 'healthcheck':
      return await (await import('./admin/healthcheck.ts')).runHealthcheck(rest, { stdout, stderr })
    case 'version':
    case '--version':
    case '-v':
      stdout.write(`tollgate ${version()}\n`)
      return 0
    case undefined:
      stderr.write(HELP)
      return 2
    case 'help':
    case '--help':
    case '-h':
      stdout.write(HELP)
      return 0
    default:
      stderr.write(`tollgate: there is no command "${printable(command)}". 'tollgate help' lists them.\n`)
      return 2
  }
}

async function serveCommand(argv: readonly string[]): Promise<number> {
  const { stdout, stderr, env } = process
  const { values } = parseArgs({
    args: [...argv],
    options: {
      config: { type: 'string', short: 'c' },
      'take-over': { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h' }
    }
  })
  if (values.help) {
    stdout.write(SERVE_HELP)
    return 0
  }
  if (values.config === undefined) {
    stderr.write(`tollgate serve: --config FILE is missing.\n${SERVE_HELP}`)
    return 2
  }
  const exitCode = await (await import('./serve.ts')).serve({
    configFile: values.config,
    takesOver: values['take-over'],
    env,
    stdout,
    stderr
  })
  return await endProcess(exitCode)
}

async function checkCommand(argv: readonly string[]): Promise<number> {
  const { stdout, stderr, env } = process
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      format: { type: 'string', default: 'text' },
      diff: { type: 'boolean', default: false },
      url: { type: 'string', default: 'http://127.0.0.1:9090' },
      help: { type: 'boolean', short: 'h' }
    }
  })
  if (values.help) {
    stdout.write(CHECK_HELP)
    return 0
  }
  const [file, ...more] = positionals
  const { format } = values
  if (file === undefined || more.length > 0 || (format !== 'text' && format !== 'json') || !URL.canParse(values.url)) {
    stderr.write(CHECK_HELP)
    return 2
  }
  const color = stdout.isTTY === true
  if (!values.diff) return (await import('./config/check.ts')).runCheck({ file, format, env, stdout, stderr, color })
  const token = env.TOLLGATE_ADMIN_TOKEN ?? null
  return await (await import('./config/diff.ts')).runDiff({
    file,
    format,
    url: values.url,
    token,
    env,
    stdout,
    stderr,
    color
  })
}

function version(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

forgiveClosedPipes()
try {
  process.exitCode = await main(process.argv.slice(2))
} catch (err) {
  const isUsage = err instanceof TypeError && 'code' in err && String(err.code).startsWith('ERR_PARSE_ARGS')
  const words = isUsage ? err.message : err instanceof Error ? (err.stack ?? err.message) : String(err)
  process.stderr.write(`tollgate: ${printableLines(words)}\n`)
  process.exitCode = isUsage ? 2 : 1
}
