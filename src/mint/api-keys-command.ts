import { parseArgs } from 'node:util'
import { printable, printableJson } from '../printable.ts'
import { DURATION_PATTERN, readDurationMs } from '../units.ts'
import { type AccountCommand, CommandError, columns, fileFrom, runSaying, scopesFrom } from './account-tools.ts'
import { hasEnded } from './accounts.ts'
import { makeApiKey } from './api-keys.ts'

const HELP = `Usage: tollgate api-keys COMMAND (--config FILE | --file FILE) [OPTIONS]

Keys that programs show at POST /token for a short-lived token: the file that 'mint.api_keys' names, which holds no key, only
what is needed to know one again. A running gate follows it.

Commands:
  create         makes a key and prints it on standard output: it is not shown again
  list
  revoke ID      takes a key back; tokens that are out live on until they expire or are revoked

Options:
  --config FILE       the configuration of the gate
  --file FILE         the file of API keys itself; 'create' makes it when it is missing
  --team NAME         'create': the team
  --sub NAME          'create': whose tokens they are
  --scope "A B"       'create': what tokens may be asked for; may be given more than once
  --role NAME         'create': the role, if any
  --expires DURATION  'create': for how long it is good, such as 90d
  --from NETWORK      'create': from where it may be used, such as 10.0.0.0/8; may be given more than once
  --format FORMAT     text (default) or json

Exit codes: 0 done, 1 it cannot be done, 2 wrong usage.
`

/** Runs `tollgate api-keys`. @returns the exit code */
export async function runApiKeys(
  argv: readonly string[],
  io: Omit<AccountCommand, 'stdin'> & { readonly nowMs?: () => number }
): Promise<0 | 1 | 2> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      config: { type: 'string', short: 'c' },
      file: { type: 'string' },
      team: { type: 'string' },
      sub: { type: 'string' },
      scope: { type: 'string', multiple: true, default: [] },
      role: { type: 'string' },
      expires: { type: 'string' },
      from: { type: 'string', multiple: true, default: [] },
      format: { type: 'string', default: 'text' },
      help: { type: 'boolean', short: 'h' }
    }
  })
  const { stdout, stderr, tools, nowMs = Date.now } = io
  if (values.help) {
    stdout.write(HELP)
    return 0
  }
  const [command = '', id, ...more] = positionals
  const { format } = values
  return await runSaying('api-keys', io, async () => {
    if (!['create', 'list', 'revoke'].includes(command) || more.length > 0) {
      throw new CommandError(2, `say what to do.\n${HELP}`)
    }
    if (format !== 'text' && format !== 'json') throw new CommandError(2, '--format is text or json.')
    if ((id === undefined) === (command === 'revoke')) throw new CommandError(2, `'revoke' is of one id, no other is.`)
    const file = fileFrom(values, 'api_keys', tools)
    if (command === 'list') list()
    else if (command === 'create') create()
    else revoke((id ?? '').replace(/^tg_/, ''))

    function create(): void {
      const { team, sub, role, expires, from } = values
      const scopes = scopesFrom(values.scope)
      if (team === undefined || sub === undefined || team === '' || sub === '' || scopes.length === 0) {
        throw new CommandError(2, 'a key needs --team, --sub and --scope.')
      }
      if (expires !== undefined && !DURATION_PATTERN.test(expires)) {
        throw new CommandError(2, `--expires is a duration such as 90d, not "${expires}".`)
      }
      const made = makeApiKey()
      const until = expires === undefined ? null : new Date(nowMs() + readDurationMs(expires)).toISOString()
      const entry = {
        digest: `sha256:${made.digest.toString('hex')}`,
        team,
        sub,
        scopes,
        ...(role === undefined ? {} : { role }),
        ...(until === null ? {} : { expires: until }),
        ...(from.length === 0 ? {} : { from })
      }
      tools.edit(file, 'api_keys', entries => entries.add(made.id, entry), { mayMake: true })
      if (format === 'json') stdout.write(`${JSON.stringify({ id: made.id, key: made.key, expires: until })}\n`)
      else stdout.write(`${made.key}\n`)
      stderr.write(`tollgate api-keys: made the key ${made.id}; it is not shown again\n`)
    }

    function revoke(which: string): void {
      tools.edit(file, 'api_keys', entries => {
        if (!entries.has(which)) throw new CommandError(1, `there is no key ${which}`)
        entries.remove(which)
      })
      stderr.write(`tollgate api-keys: revoke ${printable(which)}: done\n`)
    }

    function list(): void {
      const keys = [...tools.apiKeys(file).values()].map(key => ({
        id: key.id,
        sub: key.subject,
        team: key.team,
        scopes: key.scopes,
        role: key.role,
        from: key.from,
        state: hasEnded(key, nowMs()) ? 'expired' : 'active',
        expires: key.expiresAtMs === null ? null : new Date(key.expiresAtMs).toISOString()
      }))
      if (format === 'json') {
        stdout.write(`${printableJson(JSON.stringify({ api_keys: keys }, null, 2))}\n`)
        return
      }
      const rows = keys.map(key => [
        key.id,
        key.sub,
        key.team,
        key.scopes.join(' '),
        key.role ?? '-',
        key.from.join(' ') || '-',
        key.state,
        key.expires ?? '-'
      ])
      stdout.write(columns([['ID', 'SUB', 'TEAM', 'SCOPES', 'ROLE', 'FROM', 'STATE', 'EXPIRES'], ...rows]))
    }
  })
}
