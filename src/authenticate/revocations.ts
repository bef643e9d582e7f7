import { isDeepStrictEqual } from 'node:util'
import type { Ms, NowMs } from '../time.ts'
import type { AuthenticateOptions, RevocationOptions } from './options.ts'
import { endOf, type Lifetimes, type Revocation, type RevocationKind } from './revocation.ts'
import { type Revocable, RevocationIndex } from './revocation-index.ts'
import { codeOf, RevocationFileError, readKept, writeKept } from './revocation-keep.ts'
import { RevocationRefused, readRequest } from './revocation-request.ts'
import { MAX_REVOCATIONS, type SharedRevocations } from './revocation-store.ts'
import { type ReadEntries, RevocationWatch } from './revocation-watch.ts'

/** What revocations are given. */
export interface RevocationsInit {
  readonly nowMs: NowMs
  readonly log: { warn(facts: object, message: string): void; error(facts: object, message: string): void }
  /** Reads the file of revocations. */
  readonly read: ReadEntries
  /** Null where gates share nothing. */
  readonly shared: SharedRevocations | null
  /** Told when running calls may have to be ended: `mustCut` says which. */
  readonly onCut: () => void
}

/** What became of something that an operator asked for. */
export interface Done {
  readonly revocation: Revocation
  /** False when the same was revoked already. */
  readonly isNew: boolean
  /** What the operator has to know: where it holds, and for how long. */
  readonly notes: readonly string[]
}

/** How revocations stand, for the operator. */
export interface RevocationStatus {
  readonly active: Readonly<Record<RevocationKind, number>>
  readonly file: {
    readonly path: string
    readonly loadedAtMs: Ms
    readonly entries: number
    readonly fault: string | null
  } | null
  readonly keep: { readonly path: string; readonly fault: string | null } | null
  /** Null where gates share nothing. `unread`: the list has not been read since the gate began. */
  readonly store: { readonly state: 'unread' | 'there' | 'away'; readonly untold: number } | null
}

const TICK_MS: Ms = 1_000

/**
 * What has been taken back: what the file names, what operators have revoked here, and what other gates tell through the store.
 *
 * Looked at on every use of a token, remembered or not. What is known stays in force while the store is away; what is made
 * meanwhile is told later. A lifted one wins over one in force, so that lists can be put together in any order.
 */
export class Revocations {
  readonly #init: RevocationsInit
  /** By id: those of operators, of whatever gate, and those that were lifted. */
  readonly #known = new Map<string, Revocation>()
  readonly #untold = new Set<string>()
  readonly #keep: string | null
  #keepFault: string | null = null
  #watch: RevocationWatch | null = null
  #options: RevocationOptions
  #issuers: AuthenticateOptions['issuers']
  #lifetimes: Lifetimes
  #index = new RevocationIndex([])
  #cutting = new RevocationIndex([])
  #version: string | null = null
  #store: 'unread' | 'there' | 'away' = 'unread'
  #isFull = false
  #asking: Promise<void> | null = null
  #clock: NodeJS.Timeout | null = null

  /** @throws RevocationFileError when what was kept, or what the file names, cannot be read */
  constructor(options: RevocationOptions, issuers: AuthenticateOptions['issuers'], init: RevocationsInit) {
    this.#init = init
    this.#options = options
    this.#issuers = issuers
    this.#lifetimes = lifetimesOf(issuers)
    this.#keep = options.keep
    if (this.#keep !== null) {
      for (const one of readKept(this.#keep)) this.#known.set(one.id, one)
      // Now, so that a place that takes no file is seen at the start.
      this.#write()
      if (this.#keepFault !== null) throw new RevocationFileError(`revocations cannot be kept: ${this.#keepFault}`)
    }
    if (init.shared !== null) for (const id of this.#known.keys()) this.#untold.add(id)
    this.#watch = this.#open(options, issuers)
    this.#rebuild()
  }

  /** The id of what revokes a principal, or null. */
  revokedBy(who: Revocable): string | null {
    return this.#index.find(who)
  }

  /** The same of those whose running calls are ended. */
  cutBy(who: Revocable): string | null {
    return this.#cutting.find(who)
  }

  /**
   * Follows a configuration.
   * @throws RevocationFileError for a file that cannot be used; nothing has changed then
   */
  follow(options: RevocationOptions, issuers: AuthenticateOptions['issuers']): void {
    const isSame = options.file === this.#options.file && isDeepStrictEqual(namesOf(issuers), namesOf(this.#issuers))
    if (!isSame) this.#watch = this.#open(options, issuers)
    this.#options = options
    this.#issuers = issuers
    this.#lifetimes = lifetimesOf(issuers)
    this.#rebuild()
  }

  /** All that are in force, the file's first. */
  list(): readonly Revocation[] {
    return [...this.#named(), ...this.#ofOperators()]
  }

  /** Revokes what an operator asks for, on this gate at once. @throws RevocationRefused */
  async add(request: unknown): Promise<Done> {
    const { nowMs } = this.#init
    const made = readRequest(request, {
      issuers: this.#issuers,
      lifetimes: this.#lifetimes,
      nowMs: nowMs(),
      cutStreams: this.#options.cutStreams
    })
    const same = this.#ofOperators().find(one => covers(one, made))
    if (same !== undefined) return { revocation: same, isNew: false, notes: [] }
    if (this.#known.size >= MAX_REVOCATIONS) this.#sweep()
    if (this.#known.size >= MAX_REVOCATIONS) throw full()
    const notes = await this.#change(made)
    return { revocation: made, isNew: true, notes }
  }

  /** Lifts one. @throws RevocationRefused */
  async lift(id: string): Promise<Done> {
    const known = this.#known.get(id)
    if (known === undefined || known.liftedAtMs !== null) {
      if (this.#named().some(one => one.id === id)) {
        throw new RevocationRefused('from_file', `${id} stands in ${this.#options.file}: remove it there`)
      }
      throw new RevocationRefused('unknown', `nothing is revoked as ${JSON.stringify(id.slice(0, 80))}`)
    }
    const lifted = { ...known, liftedAtMs: this.#init.nowMs() }
    const notes = await this.#change(lifted)
    return { revocation: lifted, isNew: true, notes }
  }

  get status(): RevocationStatus {
    const active = { jti: 0, sub: 0, team: 0, kid: 0 }
    for (const { kind } of this.list()) active[kind]++
    const { file } = this.#options
    return {
      active,
      file: file === null || this.#watch === null ? null : { path: file, ...this.#watch.status },
      keep: this.#keep === null ? null : { path: this.#keep, fault: this.#keepFault },
      store: this.#init.shared === null ? null : { state: this.#store, untold: this.#untold.size }
    }
  }

  /** Begins to look at the file and to ask the store, every second. */
  start(): void {
    if (this.#clock !== null) return
    void this.#ask()
    this.#clock = setInterval(() => this.tick(), TICK_MS).unref()
  }

  /** What is done every second. */
  tick(): void {
    if (this.#watch?.look() === true) this.#changed()
    this.#sweep()
    void this.#ask()
  }

  /** Stops, when what can be told has been told. */
  async close(): Promise<void> {
    if (this.#clock !== null) clearInterval(this.#clock)
    this.#clock = null
    await this.#asking
    if (this.#untold.size > 0 && this.#store !== 'away') await this.#ask()
  }

  #open({ file }: RevocationOptions, issuers: AuthenticateOptions['issuers']): RevocationWatch | null {
    if (file === null) return null
    return new RevocationWatch(file, { ...this.#init, read: () => this.#init.read(file, namesOf(issuers)) })
  }

  async #change(one: Revocation): Promise<string[]> {
    this.#known.set(one.id, one)
    if (this.#init.shared !== null) this.#untold.add(one.id)
    this.#changed()
    this.#write()
    const notes: string[] = []
    if (this.#keepFault !== null) notes.push(`it could not be written to ${this.#keep}: ${this.#keepFault}`)
    if (this.#init.shared === null) {
      if (this.#keep === null || this.#keepFault !== null) notes.push(UNKEPT)
      return notes
    }
    await this.#ask(true)
    if (!this.#untold.has(one.id)) return notes
    notes.push(this.#isFull ? `the store holds ${MAX_REVOCATIONS} revocations: other gates are not told` : UNTOLD)
    if (this.#keep === null || this.#keepFault !== null) notes.push(UNKEPT)
    return notes
  }

  #ask(anew = false): Promise<void> {
    const { shared } = this.#init
    if (shared === null) return Promise.resolve()
    if (this.#asking !== null) return anew ? this.#asking.then(() => this.#ask()) : this.#asking
    this.#asking = this.#exchange(shared).finally(() => {
      this.#asking = null
    })
    return this.#asking
  }

  async #exchange(shared: SharedRevocations): Promise<void> {
    try {
      await this.#tell(shared)
      const read = await shared.read(this.#version)
      if (read !== null) {
        this.#merge(read.all)
        this.#version = read.version
      }
      if (this.#store === 'away') this.#init.log.warn({}, 'revocations are shared again')
      this.#store = 'there'
    } catch (err) {
      if (this.#store === 'there') {
        const why = err instanceof Error ? err.message : String(err)
        this.#init.log.warn({ why }, 'the store of revocations is away: what is known stays in force')
      }
      if (this.#store === 'there') this.#store = 'away'
    }
  }

  async #tell(shared: SharedRevocations): Promise<void> {
    let isFull = false
    for (const id of [...this.#untold]) {
      const one = this.#known.get(id)
      if (one !== undefined && !(await shared.put(one))) {
        isFull = true
        continue
      }
      // It may have been lifted meanwhile: then that is still to be told.
      if (this.#known.get(id) === one) this.#untold.delete(id)
    }
    if (isFull && !this.#isFull) this.#init.log.error({ max: MAX_REVOCATIONS }, 'the store holds too many revocations')
    this.#isFull = isFull
  }

  #merge(all: readonly Revocation[]): void {
    const theirs = new Map(all.map(one => [one.id, one]))
    let isChanged = false
    for (const one of all) {
      const known = this.#known.get(one.id)
      if (known === undefined || (known.liftedAtMs === null && one.liftedAtMs !== null)) {
        if (this.#hasEnded(one)) continue
        this.#known.set(one.id, one)
        isChanged = true
      }
    }
    // A store that was started anew is told what gates still know.
    for (const [id, one] of this.#known) {
      const said = theirs.get(id)
      if (said === undefined || (said.liftedAtMs === null && one.liftedAtMs !== null)) this.#untold.add(id)
    }
    if (!isChanged) return
    this.#changed()
    this.#write()
  }

  #sweep(): void {
    let isChanged = false
    for (const [id, one] of this.#known) {
      if (!this.#hasEnded(one)) continue
      this.#known.delete(id)
      this.#untold.delete(id)
      isChanged = true
    }
    if (!isChanged) return
    this.#rebuild()
    this.#write()
  }

  #hasEnded(one: Revocation): boolean {
    const endMs = endOf(one, this.#lifetimes)
    return endMs !== null && endMs <= this.#init.nowMs()
  }

  #changed(): void {
    this.#rebuild()
    if (this.list().some(({ cutStreams }) => cutStreams)) this.#init.onCut()
  }

  #rebuild(): void {
    const all = this.list()
    this.#index = new RevocationIndex(all)
    this.#cutting = new RevocationIndex(all.filter(({ cutStreams }) => cutStreams))
  }

  #write(): void {
    if (this.#keep === null) return
    try {
      writeKept(this.#keep, [...this.#known.values()])
      this.#keepFault = null
    } catch (err) {
      this.#keepFault = codeOf(err)
      this.#init.log.error({ file: this.#keep, why: codeOf(err) }, 'revocations cannot be kept')
    }
  }

  #ofOperators(): readonly Revocation[] {
    return [...this.#known.values()].filter(({ liftedAtMs }) => liftedAtMs === null)
  }

  #named(): readonly Revocation[] {
    const { entries = [], status } = this.#watch ?? {}
    return entries.map((entry, index) => ({
      ...entry,
      id: `file:${index + 1}`,
      madeAtMs: status?.loadedAtMs ?? 0,
      untilMs: null,
      cutStreams: entry.cutStreams ?? this.#options.cutStreams,
      liftedAtMs: null
    }))
  }
}

const UNKEPT = 'it lasts until this gate ends: it is kept nowhere else (revocation.keep, or a store)'
const UNTOLD = 'the store does not answer: other gates are told when it does'

function full(): RevocationRefused {
  const message = `${MAX_REVOCATIONS} revocations are in force or remembered as lifted; lift none and wait, or revoke by sub, team or file`
  return new RevocationRefused('full', message)
}

function covers(known: Revocation, made: Revocation): boolean {
  const isSame = known.kind === made.kind && known.iss === made.iss && known.value === made.value
  const reach = ({ beforeMs }: Revocation) => beforeMs ?? Number.POSITIVE_INFINITY
  return isSame && reach(known) >= reach(made) && (known.cutStreams || !made.cutStreams)
}

function lifetimesOf(issuers: AuthenticateOptions['issuers']): Lifetimes {
  return {
    maxLifetimeMs: Math.max(0, ...issuers.map(({ maxLifetimeMs }) => maxLifetimeMs)),
    clockSkewMs: Math.max(0, ...issuers.map(({ clockSkewMs }) => clockSkewMs))
  }
}

function namesOf(issuers: AuthenticateOptions['issuers']): readonly { name: string; issuer: string }[] {
  return issuers.map(({ name, issuer }) => ({ name, issuer }))
}
