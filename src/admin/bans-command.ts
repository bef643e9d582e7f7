import { parseArgs } from 'node:util'
import { printable, printableJson, printableLines } from '../printable.ts'
import { type AdminAnswer, askGate } from './ask.ts'
import type { BanShown } from './bans.ts'

const HELP = `Usage: tollgate bans list [OPTIONS]
       tollgate bans lift ADDRESS [OPTIONS]
       tollgate bans add ADDRESS [--for 1h] [OPTIONS]

Shows who is banned at a running gate, and at those that share its store; lifts a ban, which forgets the failures that
led to it too; or bans by hand. An IPv6 address stands for its network, a /64 unless 'clients.ipv6_prefix' says otherwise.

Options:
  --for TIME      how long the ban lasts, such as 10m, 1h or 7d; 30d at most
  --url URL       the second listener, default http://127.0.0.1:9090; its admin.token is read from TOLLGATE_ADMIN_TOKEN
  --format        text (default) or json

Exit codes: 0 done, 1 there is no such ban or it cannot be imposed, 2 wrong usage or the gate cannot be asked.
`

/** Runs `tollgate bans`. @returns 0 when done, 1 when the gate says no, 2 for wrong usage or a gate that cannot be asked */
export async function runBans(
  argv: readonly string[],
  out: { stdout: NodeJS.WritableStream; stderr: NodeJS.WritableStream; env: NodeJS.ProcessEnv }
): Promise<0 | 1 | 2> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      for: { type: 'string' },
      url: { type: 'string', default: 'http://127.0.0.1:9090' },
      format: { type: 'string', default: 'text' },
      help: { type: 'boolean', short: 'h' }
    }
  })
  if (values.help) {
    out.stdout.write(HELP)
    return 0
  }
  const [verb, address] = positionals
  const { url, format } = values
  const why = misuse(positionals, values)
  if (why !== null) {
    out.stderr.write(`tollgate bans: ${why}\n\n${HELP}`)
    return 2
  }
  let answer: AdminAnswer
  try {
    answer = await ask({ url, token: out.env.TOLLGATE_ADMIN_TOKEN ?? null }, verb ?? '', address, values.for)
  } catch (err) {
    out.stderr.write(`tollgate bans: ${url}: ${err instanceof Error ? err.message : String(err)}\n`)
    return 2
  }
  const { status, body } = answer
  if (status >= 400) {
    const error = typeof body === 'object' && body !== null && 'error' in body ? String(body.error) : `status ${status}`
    out.stderr.write(`tollgate bans: ${printable(error)}\n`)
    return 1
  }
  const json = () => `${printableJson(JSON.stringify(body, null, 2))}\n`
  out.stdout.write(format === 'json' ? json() : textOf(verb ?? '', address ?? '', body))
  return 0
}

/** What is wrong with how it was called, or null. */
function misuse(
  [verb, address, ...more]: readonly string[],
  { url, format, for: lasts }: { readonly url: string; readonly format: string; readonly for?: string | undefined }
): string | null {
  if (verb !== 'list' && verb !== 'lift' && verb !== 'add') return 'say list, lift ADDRESS or add ADDRESS'
  if (verb === 'list' && address !== undefined) return "'list' shows all bans: it takes no address"
  if (verb !== 'list' && address === undefined) return `'${verb}' needs an address`
  if (more.length > 0) return `one address at a time, not also ${more.join(' ')}`
  if (lasts !== undefined && verb !== 'add') return "--for goes with 'add'"
  if (format !== 'text' && format !== 'json') return '--format is text or json'
  return URL.canParse(url) ? null : `--url is no URL: ${url}`
}

async function ask(
  gate: { readonly url: string; readonly token: string | null },
  verb: string,
  address: string | undefined,
  lasts: string | undefined
): Promise<AdminAnswer> {
  if (verb === 'list') return await askGate(gate, '/-/bans')
  if (verb === 'lift') return await askGate(gate, '/-/bans', { method: 'DELETE', body: { address } })
  const body = { address, ...(lasts === undefined ? {} : { for: lasts }) }
  return await askGate(gate, '/-/bans', { method: 'POST', body })
}

function textOf(verb: string, address: string, body: unknown): string {
  if (verb === 'lift') return `${printable(address)} is not banned any more.\n`
  if (verb === 'add') {
    const { key, until } = body as BanShown
    return printableLines(`${key} is banned until ${until}.\n`)
  }
  const { bans } = body as { bans: readonly BanShown[] }
  if (bans.length === 0) return 'Nobody is banned.\n'
  const rows = [
    ['address', 'reason', 'until', 'times'],
    ...bans.map(b => [b.key, b.reason, b.until, String(b.times)].map(printable))
  ]
  const widths = [0, 1, 2].map(column => Math.max(...rows.map(row => row[column]?.length ?? 0)))
  return rows.map(row => `${row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ')}\n`).join('')
}
