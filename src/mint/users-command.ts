import { parseArgs } from 'node:util'
import { printable, printableJson } from '../printable.ts'
import { type AccountCommand, CommandError, columns, fileFrom, runSaying, scopesFrom } from './account-tools.ts'
import { canonicalName, hasEnded } from './accounts.ts'
import { readTimeMs } from './accounts-file.ts'
import { askPassword } from './ask-password.ts'
import { hashPassword, isDated, MAX_PASSWORD, phcText, readPassword } from './passwords.ts'

const HELP = `Usage: tollgate users COMMAND [NAME] (--config FILE | --file FILE) [OPTIONS]

Who may log in with a name and a password: the file that 'mint.users' names. A running gate follows it.

Commands:
  add NAME       adds a user; asks for the password, or reads a line of standard input
  passwd NAME    sets another password
  suspend NAME   refuses logins until 'resume'; tokens that are out live on until they expire or are revoked
  resume NAME
  remove NAME
  list

Options:
  --config FILE       the configuration of the gate
  --file FILE         the file of users itself; 'add' makes it when it is missing
  --team NAME         'add': the team
  --scope "A B"       'add': what tokens may be asked for; may be given more than once
  --role NAME         'add': the role, if any
  --expires TIME      'add': when it ends, such as 2027-01-31
  --format FORMAT     'list': text (default) or json

Exit codes: 0 done, 1 it cannot be done, 2 wrong usage.
`

/** Runs `tollgate users`. @returns the exit code */
export async function runUsers(
  argv: readonly string[],
  io: AccountCommand & { readonly nowMs?: () => number }
): Promise<0 | 1 | 2> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      config: { type: 'string', short: 'c' },
      file: { type: 'string' },
      team: { type: 'string' },
      scope: { type: 'string', multiple: true, default: [] },
      role: { type: 'string' },
      expires: { type: 'string' },
      format: { type: 'string', default: 'text' },
      help: { type: 'boolean', short: 'h' }
    }
  })
  if (values.help) {
    io.stdout.write(HELP)
    return 0
  }
  const [command = '', given, ...more] = positionals
  return await runSaying('users', io, async () => {
    if (!['add', 'passwd', 'suspend', 'resume', 'remove', 'list'].includes(command) || more.length > 0) {
      throw new CommandError(2, `say what to do.\n${HELP}`)
    }
    if (values.format !== 'text' && values.format !== 'json') throw new CommandError(2, '--format is text or json.')
    if ((given === undefined) !== (command === 'list')) throw new CommandError(2, `say 'users ${command}' of one name.`)
    const file = fileFrom(values, 'users', io.tools)
    if (command === 'list') {
      list(file, values.format, io)
      return
    }
    const name = canonicalName(given ?? '')
    if (name === null) throw new CommandError(2, `"${given}" cannot be a name: up to 64 letters, digits and . _ @ + -`)
    if (command === 'add') {
      const { team, role, expires } = values
      const scopes = scopesFrom(values.scope)
      if (team === undefined || team === '' || scopes.length === 0) {
        throw new CommandError(2, 'a user needs --team and --scope.')
      }
      if (expires !== undefined && readTimeMs(expires) === null) {
        throw new CommandError(2, '--expires is a day such as 2027-01-31, or a time such as 2027-01-31T12:00:00Z.')
      }
      const password = await newPassword(io)
      const entry = {
        password,
        team,
        scopes,
        ...(role === undefined ? {} : { role }),
        ...(expires === undefined ? {} : { expires })
      }
      io.tools.edit(
        file,
        'users',
        entries => {
          if (entries.has(name)) throw new CommandError(1, `there is a user ${name} already`)
          entries.add(name, entry)
        },
        { mayMake: true }
      )
    } else {
      const password = command === 'passwd' ? await newPassword(io) : ''
      io.tools.edit(file, 'users', entries => {
        if (!entries.has(name)) throw new CommandError(1, `there is no user ${name}`)
        if (command === 'passwd') entries.set(name, 'password', password)
        else if (command === 'suspend') entries.set(name, 'suspended', true)
        else if (command === 'resume') entries.set(name, 'suspended', undefined)
        else entries.remove(name)
      })
    }
    io.stderr.write(`tollgate users: ${command} ${printable(name)}: done\n`)
  })
}

async function newPassword(io: AccountCommand): Promise<string> {
  const typed = await askPassword(io.stdin, text => io.stderr.write(text))
  const password = readPassword(typed ?? '')
  if (password === null) throw new CommandError(1, `a password has 1 to ${MAX_PASSWORD} letters; nothing was changed`)
  return phcText(await hashPassword(password))
}

function list(
  file: string,
  format: 'text' | 'json',
  { stdout, tools, nowMs = Date.now }: AccountCommand & { readonly nowMs?: () => number }
): void {
  const users = [...tools.users(file)].map(([name, user]) => ({
    name,
    team: user.team,
    scopes: user.scopes,
    role: user.role,
    state: user.isSuspended ? 'suspended' : hasEnded(user, nowMs()) ? 'expired' : 'active',
    expires: user.expiresAtMs === null ? null : new Date(user.expiresAtMs).toISOString(),
    rehash: isDated(user.password)
  }))
  if (format === 'json') {
    stdout.write(`${printableJson(JSON.stringify({ users }, null, 2))}\n`)
    return
  }
  const rows = users.map(user => [
    user.name,
    user.team,
    user.scopes.join(' '),
    user.role ?? '-',
    user.state,
    user.expires ?? '-',
    user.rehash ? 'set it anew' : '-'
  ])
  stdout.write(columns([['NAME', 'TEAM', 'SCOPES', 'ROLE', 'STATE', 'EXPIRES', 'PASSWORD'], ...rows]))
}
