import { parseArgs } from 'node:util'
import { printable, printableJson } from '../printable.ts'
import { type AdminAnswer, askGate, type RunningGate } from './ask.ts'

const HELP = `Usage: tollgate revoke --jti ID | --sub SUBJECT | --team TEAM | --kid KEY [OPTIONS]
       tollgate revoke list
       tollgate revoke lift ID

Takes tokens back before they expire. A running gate is asked; with a store, all gates follow within five seconds.

Options:
  --jti ID             one token, by its jti
  --sub SUBJECT        all tokens of a subject that were issued until now
  --team TEAM          all tokens of a team that were issued until now
  --kid KEY            all tokens that a key has signed or will sign, until it is lifted
  --issuer NAME|URL    whose; needed where the gate has several issuers, except for a team
  --issued-before TIME for --sub and --team, instead of now: 2026-01-31T12:00:00Z
  --cut-streams        end running calls too; --no-cut-streams where the configuration ends them
  --reason TEXT        for the audit log and the list
  --url URL            the second listener of the gate, default http://127.0.0.1:9090; its admin.token is read from
                       TOLLGATE_ADMIN_TOKEN
  --format             text (default) or json

Exit codes: 0 done, 1 it cannot be done, 2 wrong usage or no answer.
`

interface Out {
  readonly stdout: NodeJS.WritableStream
  readonly stderr: NodeJS.WritableStream
  readonly env: NodeJS.ProcessEnv
}

/** Runs `tollgate revoke`. @returns 0 when it is done, 1 when the gate refuses, 2 for wrong usage or a gate that does not answer */
export async function runRevoke(argv: readonly string[], { stdout, stderr, env }: Out): Promise<0 | 1 | 2> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    allowNegative: true,
    options: {
      jti: { type: 'string' },
      sub: { type: 'string' },
      team: { type: 'string' },
      kid: { type: 'string' },
      issuer: { type: 'string' },
      'issued-before': { type: 'string' },
      'cut-streams': { type: 'boolean' },
      reason: { type: 'string' },
      url: { type: 'string', default: 'http://127.0.0.1:9090' },
      format: { type: 'string', default: 'text' },
      help: { type: 'boolean', short: 'h' }
    }
  })
  if (values.help) {
    stdout.write(HELP)
    return 0
  }
  const usage = (why: string): 2 => {
    stderr.write(`tollgate revoke: ${why}\n\n${HELP}`)
    return 2
  }
  const { url, format, jti, sub, team, kid, issuer, reason } = values
  if (!URL.canParse(url)) return usage(`--url is no URL: ${url}`)
  if (format !== 'text' && format !== 'json') return usage('--format is text or json')
  const gate: RunningGate = { url, token: env.TOLLGATE_ADMIN_TOKEN ?? null }
  const named = [jti, sub, team, kid].filter(value => value !== undefined).length
  const [verb, id, ...more] = positionals
  const isListing = verb === 'list' && id === undefined && named === 0
  const isLifting = verb === 'lift' && id !== undefined && more.length === 0 && named === 0
  if (verb !== undefined && !isListing && !isLifting) return usage('say list, lift ID, or what is to be revoked')
  if (verb === undefined && named !== 1) return usage('exactly one of --jti, --sub, --team, --kid is needed')

  let answer: AdminAnswer
  try {
    if (isListing) answer = await askGate(gate, '/-/revocations')
    else if (isLifting) answer = await askGate(gate, `/-/revocations/${encodeURIComponent(id)}`, { method: 'DELETE' })
    else {
      const body = {
        ...{ jti, sub, team, kid, issuer, reason },
        issued_before: values['issued-before'],
        cut_streams: values['cut-streams']
      }
      answer = await askGate(gate, '/-/revocations', { method: 'POST', body })
    }
  } catch (err) {
    stderr.write(`tollgate revoke: ${url}: ${err instanceof Error ? err.message : String(err)}\n`)
    return 2
  }
  const body = (answer.body ?? {}) as Answered
  if (answer.status >= 400) {
    stderr.write(`tollgate revoke: ${printable(body.error ?? `the gate answers ${answer.status}`)}\n`)
    return 1
  }
  if (format === 'json') stdout.write(`${printableJson(JSON.stringify(answer.body, null, 2))}\n`)
  else stdout.write(isListing ? listText(body.revocations ?? []) : doneText(body, isLifting))
  return 0
}

interface Shown {
  readonly id: string
  readonly issuer: string | null
  readonly issued_before: string | null
  readonly until: string | null
  readonly cut_streams: boolean
  readonly reason: string | null
  readonly [kind: string]: unknown
}

interface Answered {
  readonly error?: string
  readonly isNew?: boolean
  readonly notes?: readonly string[]
  readonly revocation?: Shown
  readonly revocations?: readonly Shown[]
}

function listText(revocations: readonly Shown[]): string {
  if (revocations.length === 0) return 'Nothing is revoked.\n'
  return revocations.map(one => `${lineOf(one)}\n`).join('')
}

function doneText({ isNew, notes = [], revocation }: Answered, isLifting: boolean): string {
  const what = isLifting ? 'Lifted' : isNew === false ? 'Was revoked already' : 'Revoked'
  const line = revocation === undefined ? '' : lineOf(revocation)
  return [`${what}: ${line}`, ...notes.map(note => `But ${printable(note)}.`), ''].join('\n')
}

function lineOf(one: Shown): string {
  const kind = ['jti', 'sub', 'team', 'kid'].find(name => one[name] !== undefined) ?? ''
  return [
    printable(one.id),
    `${kind} ${printable(String(one[kind]))}`,
    ...(one.issuer === null ? [] : [`of ${printable(one.issuer)}`]),
    ...(one.issued_before === null ? [] : [`issued before ${printable(one.issued_before)}`]),
    one.until === null ? 'until it is lifted' : `until ${printable(one.until)}`,
    ...(one.cut_streams ? ['streams cut'] : []),
    ...(one.reason === null ? [] : [`(${printable(one.reason)})`])
  ].join('  ')
}
