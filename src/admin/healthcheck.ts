import { parseArgs } from 'node:util'
import { printable } from '../printable.ts'

const HELP = `Usage: tollgate healthcheck [--url http://127.0.0.1:9090/livez]

Asks the admin listener of a running gate. Exit codes: 0 it answers 200, 1 it does not, 2 wrong usage.
`
const TIMEOUT_MS = 3_000

/** Runs `tollgate healthcheck`. @returns 0 when the gate answers 200, 1 when it does not, 2 for wrong usage */
export async function runHealthcheck(
  argv: readonly string[],
  out: { stdout: NodeJS.WritableStream; stderr: NodeJS.WritableStream }
): Promise<0 | 1 | 2> {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      url: { type: 'string', default: 'http://127.0.0.1:9090/livez' },
      help: { type: 'boolean', short: 'h' }
    }
  })
  if (values.help) {
    out.stdout.write(HELP)
    return 0
  }
  if (!URL.canParse(values.url)) {
    out.stderr.write(`tollgate healthcheck: --url is no URL: ${values.url}\n`)
    return 2
  }
  try {
    const response = await fetch(values.url, { redirect: 'manual', signal: AbortSignal.timeout(TIMEOUT_MS) })
    if (response.status === 200) return 0
    out.stderr.write(`tollgate healthcheck: ${values.url} answers ${response.status}\n`)
  } catch (err) {
    const cause = err instanceof Error && err.cause instanceof Error ? err.cause : err
    out.stderr.write(
      `tollgate healthcheck: ${values.url}: ${printable(cause instanceof Error ? cause.message : String(cause))}\n`
    )
  }
  return 1
}
