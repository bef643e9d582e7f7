import { randomBytes } from 'node:crypto'
import { askGate, type RunningGate } from '../admin/ask.ts'
import { printable, printableJson } from '../printable.ts'
import { type Change, changesBetween, changeText, masked, secretChange } from './changes.ts'
import { digestSecrets, type SecretDigests } from './compare-secrets.ts'
import { loadConfig } from './load.ts'
import { reportJson, reportText } from './report.ts'
import { isSecretPath } from './shape.ts'

/** What `tollgate check --diff` is given. */
export interface DiffInit extends RunningGate {
  readonly file: string
  readonly format: 'text' | 'json'
  readonly env: NodeJS.ProcessEnv
  readonly stdout: NodeJS.WritableStream
  readonly stderr: NodeJS.WritableStream
  readonly color: boolean
}

/**
 * Shows what a reload would change in a running gate: value by value, and what of it needs a restart. Secrets are compared
 * by digests that the gate compares and does not show.
 *
 * @returns 0 when the file could be followed, 1 when it has faults, 2 when the file or the gate cannot be read
 */
export async function runDiff(init: DiffInit): Promise<0 | 1 | 2> {
  const { file, format, env, stdout, stderr, color } = init
  const loaded = loadConfig(file, env)
  if (!loaded.ok) {
    if (format === 'json') stdout.write(reportJson(file, loaded))
    else (loaded.text === null ? stderr : stdout).write(reportText(loaded, { color }))
    return loaded.text === null ? 2 : 1
  }
  const digests = digestSecrets(loaded.yaml, isSecretPath, randomBytes(16).toString('hex'))
  let running: unknown
  let differing: readonly string[]
  try {
    running = await runningConfig(init)
    differing = await differingSecrets(init, digests)
  } catch (err) {
    stderr.write(`tollgate check: ${init.url}: ${printable(err instanceof Error ? err.message : String(err))}\n`)
    return 2
  }
  // As JSON, as the gate told it: what is undefined on one side is not there on the other.
  const wanted: unknown = JSON.parse(JSON.stringify(masked(loaded.yaml, isSecretPath)))
  const changes = [...changesBetween(running, wanted, () => false), ...differing.map(secretChange)]
  stdout.write(
    format === 'json' ? `${printableJson(JSON.stringify({ file, ok: true, changes }, null, 2))}\n` : textOf(changes)
  )
  return 0
}

async function runningConfig(gate: DiffInit): Promise<unknown> {
  const { status, body } = await askGate(gate, '/-/config')
  if (status !== 200 || typeof body !== 'object' || body === null || !('config' in body)) {
    throw new Error(`status ${status}`)
  }
  return body.config
}

/** The gate says which are others, and shows none. */
async function differingSecrets(gate: DiffInit, digests: SecretDigests): Promise<readonly string[]> {
  const { status, body } = await askGate(gate, '/-/config/compare', { method: 'POST', body: digests })
  if (status === 429) throw new Error('secrets are compared ten times a minute at most; try again in a minute')
  if (status !== 200 || typeof body !== 'object' || body === null || !('differing' in body)) {
    throw new Error(`status ${status}`)
  }
  return (body.differing as readonly unknown[]).map(String)
}

function textOf(changes: readonly Change[]): string {
  if (changes.length === 0) return 'Nothing would change.\n'
  const restarts = changes.filter(change => change.needsRestart).length
  const count = `${changes.length} change${changes.length === 1 ? '' : 's'}`
  const end =
    restarts === 0
      ? 'A reload follows.'
      : `${restarts} of them need a restart${restarts < changes.length ? '; a reload follows the others' : ''}.`
  return `${changes.map(change => `${printable(changeText(change))}\n`).join('')}${count}. ${end}\n`
}
