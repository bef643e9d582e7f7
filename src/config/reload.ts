import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Ms, NowMs } from '../time.ts'
import { type Change, changesBetween, changeText, inEffect, masked } from './changes.ts'
import { createComparer, type SecretsCompared } from './compare-secrets.ts'
import type { Fault } from './faults.ts'
import { type Config, type Loaded, loadConfig } from './load.ts'
import { reportFile } from './report.ts'
import { isSecretPath } from './shape.ts'

/** What became of an attempt to load the configuration anew. */
export type ReloadResult =
  | { readonly ok: true; readonly atMs: Ms; readonly changes: readonly Change[] }
  | { readonly ok: false; readonly atMs: Ms; readonly faults: readonly Fault[] }

/** What a reloader is given. */
export interface ReloaderInit {
  readonly file: string
  readonly env: NodeJS.ProcessEnv
  /** What the gate runs with. */
  readonly first: Loaded
  /** Makes the gate follow. Throws when it cannot, and has changed nothing then. */
  readonly follow: (config: Config) => void
  readonly nowMs: NowMs
  readonly log: { info(facts: object, message: string): void; error(facts: object, message: string): void }
}

/** Keeps a running gate to its file. */
export interface Reloader {
  /** Loads the file anew. A faulty one changes nothing. @param why for the log */
  reload(why: string): ReloadResult
  /** Looks at the file, and at those that it names, until `close`. */
  watch(): void
  close(): void
  readonly status: ReloadStatus
  /** The configuration that was loaded last, of which some keys wait for a restart. */
  readonly config: Config
  /** What is in effect, with its defaults and its secrets masked. */
  running(): unknown
  /** Which of the secrets that run are others than somebody's. @param asked `SecretDigests`, unless it is something else */
  compare(asked: unknown): SecretsCompared
}

/** What an operator wants to know of it. */
export interface ReloadStatus {
  /** When the configuration that runs was loaded. */
  readonly loadedAtMs: Ms
  /** SHA-256 of the configuration that runs, its secrets masked, in hex. */
  readonly hash: string
  /** The last attempt, or null before there was one. */
  readonly last: ReloadResult | null
  readonly reloads: number
  readonly failures: number
  /** What was changed since the start and is read at the start alone. Secrets are masked. */
  readonly pendingRestart: readonly Change[]
}

const LOOK_MS: Ms = 1_000

/** Makes a reloader. Nothing is looked at before `watch`. */
export function createReloader(init: ReloaderInit): Reloader {
  const { file, env, follow, nowMs, log } = init
  const started = init.first.yaml
  let running = init.first
  let pendingRestart: readonly Change[] = []
  let loadedAtMs = nowMs()
  let last: ReloadResult | null = null
  let [reloads, failures] = [0, 0]
  let seen = digestOf(running.files)
  let before = seen
  let clock: NodeJS.Timeout | null = null

  function reload(why: string): ReloadResult {
    const next = loadConfig(file, env)
    // Also when it is faulty: it is told once, not with every look.
    seen = digestOf(next.files)
    before = seen
    if (!next.ok) return fail(why, next.faults, reportFile(file, next))
    const changes = changesBetween(running.yaml, next.yaml, isSecretPath)
    try {
      follow(next.config)
    } catch (err) {
      return fail(why, [], String(err))
    }
    running = next
    loadedAtMs = nowMs()
    reloads++
    last = { ok: true, atMs: loadedAtMs, changes }
    log.info({ why, changes: changes.map(changeText) }, 'the configuration was loaded anew')
    // Also those of reloads before: it is said until it is done.
    pendingRestart = changesBetween(started, running.yaml, isSecretPath).filter(change => change.needsRestart)
    const keys = pendingRestart.map(({ path }) => path)
    if (keys.length > 0) log.error({ keys }, 'changed keys require a restart; the others are followed')
    return last
  }

  function fail(why: string, faults: readonly Fault[], report: string): ReloadResult {
    failures++
    last = { ok: false, atMs: nowMs(), faults }
    log.error({ why, report }, 'the new configuration cannot be used; the last good one stays')
    return last
  }

  /** What is written in pieces is loaded when two looks agree. */
  function look(): void {
    const now = digestOf(running.files)
    if (now !== seen && now === before) reload('its files changed')
    else before = now
  }

  return {
    reload,
    watch() {
      clock = setInterval(look, LOOK_MS)
      clock.unref()
    },
    close() {
      if (clock !== null) clearInterval(clock)
    },
    get config() {
      return running.config
    },
    running: () => masked(inEffect(started, running.yaml), isSecretPath),
    compare: createComparer({ running: () => inEffect(started, running.yaml), isSecret: isSecretPath, nowMs }),
    get status() {
      const hash = running.config.hash.slice('sha256:'.length)
      return { loadedAtMs, hash, last, reloads, failures, pendingRestart }
    }
  }
}

/** Of the contents, not of times: a mounted secret changes by a symlink, and so does every file behind it. */
function digestOf(files: readonly string[]): string {
  const digest = createHash('sha256')
  for (const file of files) {
    digest.update(`${file}\n`)
    try {
      digest.update(readFileSync(file))
    } catch (err) {
      digest.update(err instanceof Error && 'code' in err ? String(err.code) : 'unreadable')
    }
  }
  return digest.digest('hex')
}
