import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { IssuerOptions } from './authenticate/options.ts'
import { ownIssuer } from './authenticate/own-keys.ts'
import { RevocationFileError } from './authenticate/revocation-keep.ts'
import { type Config, loadConfig } from './config/load.ts'
import { reportFile } from './config/report.ts'
import { buildDeps, type World } from './deps.ts'
import { explain, type Question, type Step } from './explain.ts'
import { silentLog } from './log.ts'
import { PUBLIC_FILE } from './mint/key-folder.ts'
import { MAX_TTL_MS, type MintOptions } from './mint/options.ts'
import { JWKS_PATH, metadataPath } from './mint/published.ts'
import { issuingPaths } from './minting.ts'
import { printable, printableJson } from './printable.ts'

const HELP = `Usage: tollgate explain --config FILE --token TOKEN --path PATH [OPTIONS]

Walks a request through the rooms of the gate, with the functions that the running gate uses, and says what each
decides and why. Nothing is sent to an engine but the question for its models, where the file does not list them.

Options:
  --config FILE      the configuration
  --token TOKEN      the caller's token; '-' reads it from standard input
  --method METHOD    default POST (GET for /v1/models and /v1/me/…)
  --path PATH        for example /v1/chat/completions
  --model NAME       the model that the body names
  --body FILE        the whole body instead; '-' is not allowed together with --token -
  --from ADDRESS     the caller's address, default 127.0.0.1
  --format FORMAT    text (default) or json

Exit codes: 0 the request would reach an engine, 1 it would be refused, 2 wrong usage.
`

const READY_WAIT_MS = 6_000
const STALE_MS = 86_400_000

/** Runs `tollgate explain`. @returns 0 when the request would reach an engine, 1 when it is refused, 2 for wrong usage */
export async function runExplain(
  argv: readonly string[],
  out: { stdout: NodeJS.WritableStream; stderr: NodeJS.WritableStream; env: NodeJS.ProcessEnv }
): Promise<0 | 1 | 2> {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      config: { type: 'string', short: 'c' },
      token: { type: 'string' },
      method: { type: 'string' },
      path: { type: 'string' },
      model: { type: 'string' },
      body: { type: 'string' },
      from: { type: 'string', default: '127.0.0.1' },
      format: { type: 'string', default: 'text' },
      help: { type: 'boolean', short: 'h' }
    }
  })
  if (values.help) {
    out.stdout.write(HELP)
    return 0
  }
  const { config: file, token, path, format } = values
  if (file === undefined || token === undefined || path === undefined || (format !== 'text' && format !== 'json')) {
    const missing = [file ?? '--config', token ?? '--token', path ?? '--path'].filter(word => word.startsWith('--'))
    const why = missing.length > 0 ? `${missing.join(', ')} missing` : '--format is text or json'
    out.stderr.write(`tollgate explain: ${why}.\n${HELP}`)
    return 2
  }
  const loaded = loadConfig(file, out.env)
  out.stderr.write(reportFile(file, loaded))
  if (!loaded.ok) return 2

  const method = values.method ?? (/^\/v1\/(?:models|me\/)/.test(path) ? 'GET' : 'POST')
  let question: Question
  try {
    const body = values.body === undefined ? defaultBody(method, values.model) : readInput(values.body)
    question = {
      token: token === '-' ? readInput('-').toString().trim() : token,
      method,
      path,
      body,
      from: values.from
    }
  } catch (err) {
    out.stderr.write(`tollgate explain: ${printable(err instanceof Error ? err.message : String(err))}.\n`)
    return 2
  }

  const { mint } = loaded.config
  if (mint !== null && isOfMint(path, mint)) {
    const facts = { answer: 'the gate answers it itself, without a token', issuer: mint.issuer }
    return tell([{ room: 'mint', verdict: 'pass', facts }], format, out)
  }
  const config = onlyRead(loaded.config)
  let world: World
  try {
    world = buildDeps(config, { log: silentLog() })
  } catch (err) {
    if (!(err instanceof RevocationFileError)) throw err
    out.stderr.write(`tollgate explain: ${err.message}\n`)
    return 2
  }
  try {
    world.start()
    await within(READY_WAIT_MS, world.ready())
    return tell(await explain(world, question), format, out)
  } finally {
    await world.close()
  }
}

function isOfMint(path: string, mint: MintOptions): boolean {
  return issuingPaths(mint).has(path) || path === JWKS_PATH || path === metadataPath(mint.issuer)
}

/** The same configuration for whom nothing is written: no lines, no keys, nothing of what is revoked. */
function onlyRead(config: Config): Config {
  const { authenticate, mint, revocation } = config
  const own: readonly IssuerOptions[] =
    mint === null
      ? []
      : [
          {
            ...ownIssuer({ issuer: mint.issuer, audience: mint.audience, maxLifetimeMs: MAX_TTL_MS }),
            // As its gates have published them: to open the folder is to make the first key.
            keys: { kind: 'jwks_file', path: join(mint.keys.dir, PUBLIC_FILE) },
            maxStaleMs: STALE_MS
          }
        ]
  return {
    ...config,
    audit: { to: 'stdout' },
    charge: null,
    mint: null,
    authenticate: { ...authenticate, issuers: [...authenticate.issuers, ...own] },
    revocation: { ...revocation, isReadOnly: true }
  }
}

function tell(steps: readonly Step[], format: string, out: { readonly stdout: NodeJS.WritableStream }): 0 | 1 {
  out.stdout.write(format === 'json' ? `${printableJson(JSON.stringify(steps, null, 2))}\n` : textOf(steps))
  return steps.at(-1)?.verdict === 'pass' ? 0 : 1
}

function readInput(file: string): Buffer {
  return readFileSync(file === '-' ? 0 : file)
}

function defaultBody(method: string, model: string | undefined): Buffer | null {
  if (method === 'GET' || method === 'DELETE') return null
  // As little as every shared route asks for, and nothing but text.
  return Buffer.from(JSON.stringify({ model, messages: [], prompt: '', input: '' }))
}

async function within(ms: number, promise: Promise<void>): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>()
  const clock = setTimeout(resolve, ms)
  await Promise.race([promise, late])
  clearTimeout(clock)
}

function textOf(steps: readonly Step[]): string {
  const lines = steps.map(step => {
    const facts = Object.entries(step.facts).map(([name, value]) => `${name}=${textOfValue(value)}`)
    const verdict = step.verdict === 'pass' ? 'pass  ' : 'REFUSE'
    return `${step.room.padEnd(13)}${verdict}  ${step.code === undefined ? '' : `${step.code}  `}${facts.join('  ')}`
  })
  const last = steps.at(-1)
  const end =
    last?.verdict === 'pass'
      ? 'The request would be answered.'
      : `The request would be refused by '${last?.room}' with ${last?.code}.`
  return `${lines.join('\n')}\n\n${end}\n`
}

function textOfValue(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? '(none)' : printable(value.join(','))
  return value === null ? '(none)' : printable(String(value))
}
