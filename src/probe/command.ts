import { parseArgs } from 'node:util'
import { type Config, loadConfig } from '../config/load.ts'
import { reportFile } from '../config/report.ts'
import type { Ms } from '../time.ts'
import { DURATION_PATTERN, readDurationMs } from '../units.ts'
import { judgeAccess } from './access.ts'
import { judgeExposure } from './exposure.ts'
import type { Facts } from './facts.ts'
import { type ConfiguredModels, judgeModels } from './models.ts'
import { count, createShow, type Report, reportJson, reportText } from './report.ts'
import { askTarget, type TargetInit } from './target.ts'

const HELP = `Usage: tollgate probe --config FILE [OPTIONS]

Asks every engine of a configuration what it is, what it serves, and what its own port opens to whoever reaches it, and
says where that and the configuration differ.

It changes nothing: it reads /v1/models, /openapi.json and the version, with the pool's key and without, and asks the
paths that the gate knows with PROPFIND and no key. No route of an engine has that method, so its router answers before
any code of the route runs; an engine that is not recognised, or whose router does not show this, is not asked. These
requests stand in the engine's log as 401, 404 and 405, from 'tollgate-probe'.

Options:
  --config FILE      the configuration
  --pool NAME        only this pool; may be given several times
  --timeout TIME     limit of each request, default 5s
  --strict           warnings count as errors
  --format FORMAT    text (default) or json

Exit codes: 0 no error was found, 1 at least one (with --strict: or a warning), 2 wrong usage or a faulty configuration.
`

const TARGETS_AT_ONCE = 8
const MAX_TIMEOUT_MS: Ms = 600_000

/** Runs `tollgate probe`. @returns 0 without errors, 1 with some, 2 for wrong usage or a faulty configuration */
export async function runProbe(
  argv: readonly string[],
  out: { stdout: NodeJS.WritableStream; stderr: NodeJS.WritableStream; env: NodeJS.ProcessEnv }
): Promise<0 | 1 | 2> {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      config: { type: 'string', short: 'c' },
      pool: { type: 'string', multiple: true },
      timeout: { type: 'string', default: '5s' },
      strict: { type: 'boolean', default: false },
      format: { type: 'string', default: 'text' },
      help: { type: 'boolean', short: 'h' }
    }
  })
  if (values.help) {
    out.stdout.write(HELP)
    return 0
  }
  const { config: file, format, strict } = values
  const wrong = (why: string) => {
    out.stderr.write(`tollgate probe: ${why}.\n${HELP}`)
    return 2 as const
  }
  if (file === undefined) return wrong('--config FILE is missing')
  if (format !== 'text' && format !== 'json') return wrong('--format is text or json')
  const timeoutMs = DURATION_PATTERN.test(values.timeout) ? readDurationMs(values.timeout) : 0
  if (timeoutMs < 1 || timeoutMs > MAX_TIMEOUT_MS) return wrong('--timeout is a duration such as 5s, up to 10m')

  const loaded = loadConfig(file, out.env)
  out.stderr.write(reportFile(file, loaded))
  if (!loaded.ok) return 2
  const { config, secrets } = loaded
  const unknown = values.pool?.find(name => !config.route.pools.has(name))
  if (unknown !== undefined) return wrong(`no pool is named "${unknown}"`)

  const targets = targetsOf(config, timeoutMs).filter(({ pool }) => values.pool?.includes(pool) ?? true)
  const facts = await askAll(targets, out.stderr)
  const findings = [
    ...facts.flatMap(one => [...judgeAccess(one), ...judgeExposure(one)]),
    ...judgeModels(facts, modelsOf(config))
  ]
  const report: Report = { file, facts, findings }
  const show = createShow(secrets)
  out.stdout.write(
    format === 'json' ? reportJson(report, show) : reportText(report, show, { color: isTerminal(out.stdout) })
  )
  const { errors, warnings } = count(findings)
  return errors > 0 || (strict && warnings > 0) ? 1 : 0
}

function targetsOf({ forward, route }: Config, timeoutMs: Ms): readonly TargetInit[] {
  return forward.targets.map(({ pool, origin, ca, cert, key, apiKey }) => ({
    pool,
    origin,
    ca,
    cert,
    key,
    apiKey,
    timeoutMs,
    engine: route.pools.get(pool)?.engine ?? 'openai'
  }))
}

function modelsOf({ route, inspect, authorize }: Config): ConfiguredModels {
  return {
    byPool: new Map([...route.pools].map(([name, { models }]) => [name, models])),
    teams: route.teams,
    named: [...new Set([...inspect.aliases.values(), ...authorize.modelScopes.keys()])]
  }
}

/** Asks every target, a few at once; the facts are in the order of the targets. */
async function askAll(targets: readonly TargetInit[], stderr: NodeJS.WritableStream): Promise<readonly Facts[]> {
  const facts: (Facts | undefined)[] = targets.map(() => undefined)
  const isShown = isTerminal(stderr)
  const waiting = [...targets.entries()]
  let done = 0
  const progress = () => {
    if (isShown) stderr.write(`\r\u001b[K${done} of ${targets.length} targets asked`)
  }
  progress()
  const worker = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [index, target] = next
      facts[index] = await askTarget(target)
      done++
      progress()
    }
  }
  await Promise.all(Array.from({ length: TARGETS_AT_ONCE }, worker))
  if (isShown) stderr.write('\r\u001b[K')
  return facts.filter(one => one !== undefined)
}

function isTerminal(stream: NodeJS.WritableStream): boolean {
  return 'isTTY' in stream && stream.isTTY === true
}
