import { existsSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { printableJson } from '../printable.ts'
import type { Ms, NowMs } from '../time.ts'
import { CommandError, columns, runSaying } from './account-tools.ts'
import type { RingKey } from './key-file.ts'
import { placeKey, readFolder, removeKey, replaceKey, writePublic } from './key-folder.ts'
import { nextKey, publishedOf } from './key-ring.ts'
import { DEFAULT_TIMES, type KeyState, type KeyView, ringTimes, viewKeys } from './key-states.ts'
import type { MintKeysOptions } from './options.ts'

const HELP = `Usage: tollgate keys COMMAND (--config FILE | --dir DIR) [OPTIONS]

The keys that the gate signs with: a folder that several gates may share. They follow each other by themselves, as
'mint.keys' says; running gates follow what is done here within two seconds.

Commands:
  list               shows each key, what it is, since when, and what is next
  rotate             publishes a new key now; it signs when everybody knows it, after 'mint.keys.wait'
  retire KID         the same for a key that signs; one that has not signed yet is taken away
  retire KID --now   for a key that has leaked: it is gone at once, and every token that it signed is refused;
                     another key signs at once

Options:
  --config FILE    the configuration of a gate
  --dir DIR        the folder itself
  --format FORMAT  text (default) or json

Exit codes: 0 done, 1 it cannot be done, 2 wrong usage.
`
/** A thumbprint: SHA-256 in base64url. */
const KID = /^[A-Za-z0-9_-]{43}$/
const NOTHING_SEEN = { current: null, isSettled: () => true }

/** What the command is given. */
export interface KeysCommand {
  readonly stdout: NodeJS.WritableStream
  readonly stderr: NodeJS.WritableStream
  readonly tools: {
    /** What a configuration says of keys. @throws an `EditError` for a faulty one */
    keysOf(config: string): MintKeysOptions
  }
  readonly nowMs?: NowMs
}

/** Runs `tollgate keys`. @returns the exit code */
export async function runKeys(argv: readonly string[], io: KeysCommand): Promise<0 | 1 | 2> {
  const { values, positionals } = parseArgs({
    args: argv.filter(word => !KID.test(word)),
    allowPositionals: true,
    options: {
      config: { type: 'string', short: 'c' },
      dir: { type: 'string' },
      now: { type: 'boolean', default: false },
      format: { type: 'string', default: 'text' },
      help: { type: 'boolean', short: 'h' }
    }
  })
  const { stdout, stderr, tools, nowMs = Date.now } = io
  if (values.help) {
    stdout.write(HELP)
    return 0
  }
  const [command = '', ...named] = positionals
  // The name of a key may begin with '-', as an option does.
  const [kid, ...more] = [...argv.filter(word => KID.test(word)), ...named]
  const { config, dir, format } = values
  return await runSaying('keys', io, async () => {
    if (!['list', 'rotate', 'retire'].includes(command) || more.length > 0) {
      throw new CommandError(2, `say what to do.\n${HELP}`)
    }
    if ((kid === undefined) === (command === 'retire'))
      throw new CommandError(2, `'retire' is of one key, no other is.`)
    if (values.now && command !== 'retire') throw new CommandError(2, `--now goes with 'retire' alone.`)
    if (format !== 'text' && format !== 'json') throw new CommandError(2, '--format is text or json.')
    if ((config === undefined) === (dir === undefined)) {
      throw new CommandError(2, 'say which folder, by either --config FILE or --dir DIR.')
    }
    const options = config === undefined ? null : tools.keysOf(config)
    const folder = new Folder(options?.dir ?? dir ?? '', options, nowMs)
    if (command === 'list') stdout.write(format === 'json' ? listJson(folder.views()) : listText(folder.views()))
    else {
      const done = command === 'rotate' ? folder.rotate() : folder.retire(kid ?? '', values.now)
      if (format === 'json') stdout.write(listJson(folder.views()))
      stderr.write(`tollgate keys: ${done}\n`)
    }
  })
}

class Folder {
  readonly #dir: string
  readonly #options: MintKeysOptions | null
  readonly #nowMs: NowMs

  constructor(dir: string, options: MintKeysOptions | null, nowMs: NowMs) {
    this.#dir = dir
    this.#options = options
    this.#nowMs = nowMs
  }

  /** @throws CommandError for a folder without keys, or with some that cannot be used */
  views(): readonly KeyView<RingKey>[] {
    // Whoever asks before the first gate has begun has made no mistake in the name, as a rule.
    const { keys, faults } = existsSync(this.#dir)
      ? readFolder(this.#dir, { isOperator: true })
      : { keys: new Map<string, null>(), faults: [] }
    const found = [...keys.values()].filter(key => key !== null)
    // What cannot be read is left alone, but said: a gate may know it from before.
    if (found.length === 0)
      throw new CommandError(1, faults[0] ?? `${this.#dir} has no keys; a gate makes the first one.`)
    if (faults.length > 0) throw new CommandError(1, faults.join('\n'))
    return viewKeys(found, this.#times, this.#nowMs(), NOTHING_SEEN)
  }

  rotate(): string {
    const views = this.views()
    const next = pending(views, 0)
    if (next !== undefined) {
      throw new CommandError(1, `${next.key.kid} is published already and signs from ${isoFrom(next.key.signsFromMs)}.`)
    }
    const made = this.#place(views)
    return `${made.kid} is published and signs from ${isoFrom(made.signsFromMs)}.`
  }

  retire(kid: string, isNow: boolean): string {
    const views = this.views()
    const view = views.find(({ key }) => key.kid === kid)
    if (view === undefined) throw new CommandError(1, `there is no key ${kid}; 'list' shows them.`)
    if (isNow) return this.#retireNow(view, views)
    switch (view.state) {
      case 'retired':
      case 'gone':
        return `${kid} signs no more; it is published until ${isoFrom(view.untilMs ?? view.sinceMs)}. Has it leaked? Use --now.`
      case 'signing': {
        const next = pending(views, view.key.generation)?.key ?? this.#place(views)
        return `${kid} signs until ${isoFrom(next.signsFromMs)}, then ${next.kid} does. Has it leaked? Use --now.`
      }
      default:
        if (view.key.signsFromMs - this.#nowMs() <= this.#times.settleMs) {
          throw new CommandError(1, `${kid} is about to sign; once it does, 'rotate', or use --now.`)
        }
        removeKey(this.#dir, view.key)
        this.#publish()
        return `${kid} is gone; it had signed nothing.`
    }
  }

  /** The one that takes over comes first: there is no moment without a key to sign with. */
  #retireNow({ key, state }: KeyView<RingKey>, views: readonly KeyView<RingKey>[]): string {
    if (state !== 'signing') {
      removeKey(this.#dir, key)
      this.#publish()
      return `${key.kid} is gone; tokens that it signed are refused within two seconds. Another key signs already.`
    }
    // It takes the place of the other one in time, too: a clock that is a little behind must not wait for it.
    const { signsFromMs } = key
    const made = pending(views, key.generation) === undefined ? this.#placed(views, signsFromMs) : null
    // Published before, or just now by a gate.
    const heir = made ?? pending(this.views(), key.generation)?.key
    if (heir === undefined) throw new CommandError(1, 'gates change the folder at this moment: try again.')
    if (made === null) replaceKey(this.#dir, { ...heir, signsFromMs })
    removeKey(this.#dir, key)
    this.#publish()
    return `${key.kid} is gone; tokens that it signed are refused within two seconds.
${heir.kid} signs at once${made === null ? '' : ', and nobody knew it before'}: who verifies by /.well-known/jwks.json and does not ask anew for a key
that it does not know refuses new tokens for up to 5 minutes. The gates themselves do not.`
  }

  #place(views: readonly KeyView<RingKey>[]): RingKey {
    const key = this.#placed(views)
    if (key === null) throw new CommandError(1, 'a gate has just published a new key itself.')
    this.#publish()
    return key
  }

  #placed(views: readonly KeyView<RingKey>[], signsFromMs?: Ms): RingKey | null {
    const keys = views.map(({ key }) => key)
    const algorithm = this.#options?.algorithm ?? keys.at(-1)?.alg ?? 'ES256'
    const key = nextKey(keys, { algorithm, times: this.#times, nowMs: this.#nowMs(), signsFromMs })
    return placeKey(this.#dir, key) ? key : null
  }

  #publish(): void {
    writePublic(this.#dir, publishedOf(this.views()))
  }

  get #times() {
    return this.#options?.times ?? ringTimes(DEFAULT_TIMES)
  }
}

/** The first key after a generation whose time has not come. */
function pending(views: readonly KeyView<RingKey>[], generation: number): KeyView<RingKey> | undefined {
  return views.find(({ key, state }) => key.generation > generation && (state === 'next' || state === 'waiting'))
}

const NEXT: Readonly<Record<KeyState, string>> = {
  next: 'known to all gates',
  waiting: 'signs',
  signing: 'retires',
  retired: 'gone',
  gone: 'its file goes'
}

function listText(views: readonly KeyView<RingKey>[]): string {
  const rows = views.map(({ key, state, sinceMs, untilMs }) => [
    key.kid,
    key.alg,
    state,
    isoFrom(sinceMs),
    untilMs === null
      ? state === 'signing'
        ? 'until another one is published'
        : NEXT[state]
      : `${NEXT[state]} ${isoFrom(untilMs)}`
  ])
  return columns([['KID', 'ALG', 'STATE', 'SINCE', 'NEXT'], ...rows])
}

function listJson(views: readonly KeyView<RingKey>[]): string {
  const keys = views.map(({ key, state, sinceMs, untilMs }) => ({
    kid: key.kid,
    alg: key.alg,
    state,
    since: isoFrom(sinceMs),
    until: untilMs === null ? null : isoFrom(untilMs),
    createdAt: isoFrom(key.createdAtMs),
    signsFrom: isoFrom(key.signsFromMs)
  }))
  return `${printableJson(JSON.stringify({ keys }, null, 2))}\n`
}

function isoFrom(ms: Ms): string {
  return new Date(ms).toISOString()
}
