import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { checkHead } from './accept/head.ts'
import { readBearer } from './authenticate/bearer.ts'
import { RevocationFileError } from './authenticate/revocation-keep.ts'
import { loadConfig } from './config/load.ts'
import { reportFile } from './config/report.ts'
import { buildDeps, type World } from './deps.ts'
import { GateError } from './errors.ts'
import type { Call, Identity } from './exchange.ts'
import { readCall } from './inspect/call.ts'
import { openLog } from './log.ts'

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

/** What one room decides. */
export interface Step {
  readonly room: string
  readonly verdict: 'pass' | 'refuse'
  readonly facts: Readonly<Record<string, unknown>>
  /** The error's code, when it refuses. */
  readonly code?: string
}

/** A request to explain. */
export interface Question {
  readonly token: string
  readonly method: string
  readonly path: string
  readonly body: Buffer | null
  readonly from: string
}

/** Walks the rooms in their order and stops at the first that refuses. */
export async function explain(world: World, question: Question): Promise<readonly Step[]> {
  const rules = world.app.rules()
  const { endpoints, options } = rules.inspection
  const rawHeaders = ['Host', 'localhost', 'Authorization', `Bearer ${question.token}`]
  const steps: Step[] = []
  const walk = async <T>(
    room: string,
    decide: () => T | Promise<T>,
    facts: (product: T) => Step['facts']
  ): Promise<T> => {
    try {
      const product = await decide()
      steps.push({ room, verdict: 'pass', facts: facts(product) })
      return product
    } catch (err) {
      if (!(err instanceof GateError)) throw err
      steps.push({
        room,
        verdict: 'refuse',
        code: err.code,
        facts: { status: err.row.status, answer: err.message, ...err.detail }
      })
      throw err
    }
  }
  try {
    await walk(
      'accept',
      () => checkHead({ httpVersion: '1.1', method: question.method, rawHeaders }, new Set()),
      () => ({ method: question.method, path: question.path })
    )
    const client = await walk(
      'identify',
      () => rules.resolveClient(question.from, rawHeaders),
      client => ({ ip: client.ip })
    )
    const identity = await walk(
      'authenticate',
      () => rules.verifier.verify(readBearer(rawHeaders, question.path)),
      identityFacts
    )
    const { call, content } = await walk(
      'inspect',
      () => readCall(endpoints.find(question.method, question.path), question.body, options.aliases),
      read => callFacts(read.call)
    )
    await walk(
      'authorize',
      () => rules.policy.authorize(identity, call),
      () => ({ scopes: [...identity.scopes] })
    )
    if (call.operation === 'usage') {
      await walk(
        'bill',
        () => rules.table.modelsOf(identity),
        () => ({ answer: 'the gate tells it itself', team: identity.team, sub: identity.sub })
      )
      return steps
    }
    await walk(
      'limit',
      () => rules.limiter.policiesOf({ identity, client }, call),
      policies => ({ limits: policies.map(({ name, amount }) => `${name}=${amount}`) })
    )
    if (call.operation === 'limits') return steps
    if (call.operation === 'models' || call.operation === 'model') {
      const models = rules.table.modelsOf(identity).filter(model => rules.policy.mayUseModel(identity, model))
      await walk(
        'route',
        () => {
          if (call.model !== null && !models.includes(call.model)) throw new GateError('TOLLGATE_ROUTE_MODEL')
        },
        () => ({ answer: 'the gate lists the models itself', models })
      )
    } else {
      const { targets } = await walk(
        'route',
        () => {
          const { name, options, targets } = rules.table.find(identity, call)
          return { name, options, targets, party: rules.table.partyOf(identity, undefined) }
        },
        ({ name, options, targets, party }) => ({
          pool: name,
          engine: options.engine,
          balance: options.balance,
          class: party.class,
          weight: party.weight,
          targets: targets.map(({ target }) => target.origin)
        })
      )
      const target = targets[0]?.target
      if (content !== null && target !== undefined) {
        await walk(
          'shape',
          () => rules.shaper.shape({ content, call, identity, target }),
          ({ bytes, removed, reporting }) => ({ bytes: bytes.length, removed, usage: reporting?.mode ?? 'off' })
        )
      }
    }
  } catch (err) {
    if (!(err instanceof GateError)) throw err
  }
  return steps
}

function identityFacts(identity: Identity): Step['facts'] {
  return {
    iss: identity.iss,
    sub: identity.sub,
    team: identity.team,
    role: identity.role,
    scopes: [...identity.scopes],
    expires: new Date(identity.expSec * 1000).toISOString(),
    kid: identity.kid
  }
}

function callFacts(call: Call): Step['facts'] {
  const { operation, kind, model, modelAsked, isStream, path } = call
  return {
    operation,
    kind,
    model,
    ...(model === modelAsked ? {} : { asked: modelAsked }),
    stream: isStream,
    sentAs: path
  }
}

const READY_WAIT_MS = 6_000

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
    out.stderr.write(`tollgate explain: ${err instanceof Error ? err.message : String(err)}.\n`)
    return 2
  }

  const { revocation } = loaded.config
  // Nothing is written: neither lines nor what is revoked.
  const config = {
    ...loaded.config,
    audit: { to: 'stdout' as const },
    charge: null,
    revocation: { ...revocation, keep: null }
  }
  let world: World
  try {
    world = buildDeps(config, { log: openLog('silent') })
  } catch (err) {
    if (!(err instanceof RevocationFileError)) throw err
    out.stderr.write(`tollgate explain: ${err.message}\n`)
    return 2
  }
  try {
    world.start()
    await within(READY_WAIT_MS, world.ready())
    const steps = await explain(world, question)
    out.stdout.write(format === 'json' ? `${JSON.stringify(steps, null, 2)}\n` : textOf(steps))
    return steps.at(-1)?.verdict === 'pass' ? 0 : 1
  } finally {
    await world.close()
  }
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
  if (Array.isArray(value)) return value.length === 0 ? '(none)' : value.join(',')
  return value === null ? '(none)' : String(value)
}
