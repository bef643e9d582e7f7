import { setTimeout as delay } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import type { Ms, NowMs } from '../time.ts'
import type { IssuerOptions, RevocationEntry, RevocationOptions } from './options.ts'
import { endOf, type Lifetimes, liftedOf, type Revocation, type RevocationKind } from './revocation.ts'
import { type Revocable, RevocationIndex } from './revocation-index.ts'
import { RevocationList } from './revocation-list.ts'
import { RevocationRefused, readRequest } from './revocation-request.ts'
import { RevocationSharing } from './revocation-sharing.ts'
import { MAX_REVOCATIONS, type SharedRevocations } from './revocation-store.ts'
import { differencesOf, type ReadEntries, RevocationWatch } from './revocation-watch.ts'

type Issuers = readonly IssuerOptions[]

/** What revocations are given. */
export interface RevocationsInit {
  readonly nowMs: NowMs
  readonly log: { warn(facts: object, message: string): void; error(facts: object, message: string): void }
  /** Reads the file of revocations. */
  readonly read: ReadEntries
  /** Null where gates share nothing. */
  readonly shared: SharedRevocations | null
  /** Told when running calls may have to be ended: `cutBy` says which. */
  readonly onCut: () => void
  /** Told what a file that has changed revokes more than before, and what no more. */
  readonly onFile?: (made: readonly RevocationEntry[], lifted: readonly RevocationEntry[]) => void
}

/** What became of something that an operator asked for. */
export interface Done {
  readonly revocation: Revocation
  /** False when the same was revoked already. */
  readonly isNew: boolean
  /** What the operator has to know: where it holds not yet, and for how long. */
  readonly notes: readonly string[]
}

/** How revocations stand, for the operator. */
export interface RevocationStatus {
  readonly active: Readonly<Record<RevocationKind, number>>
  /** Null where none is named. */
  readonly file: {
    readonly path: string
    readonly loadedAtMs: Ms
    readonly entries: number
    readonly fault: string | null
  } | null
  readonly keep: RevocationList['keep']
  /** Null where gates share nothing. */
  readonly store: RevocationSharing['status'] | null
}

const TICK_MS: Ms = 1_000
const READ_AGAIN_MS: Ms = 25
const UNKEPT = 'it lasts until this gate ends: it is kept nowhere (revocation.keep, or a store that gates share)'
const UNTOLD = {
  away: 'the store does not answer: other gates are told when it does',
  full: `the store holds ${MAX_REVOCATIONS} revocations: other gates are not told before some have ended`
}

/**
 * What has been taken back: what the file names, what operators have revoked here, and what other gates tell through the store.
 * Looked at on every use of a token, remembered or not. What is known stays in force while the store is away.
 */
export class Revocations {
  readonly #init: RevocationsInit
  readonly #list: RevocationList
  readonly #sharing: RevocationSharing | null
  #watch: RevocationWatch | null
  #options: RevocationOptions
  #issuers: Issuers
  #lifetimes: Lifetimes
  #index = new RevocationIndex([])
  #cutting = new RevocationIndex([])
  #clock: NodeJS.Timeout | null = null

  /** @throws RevocationFileError when what was kept, or what the file names, cannot be read */
  constructor(options: RevocationOptions, issuers: Issuers, init: RevocationsInit) {
    this.#init = init
    this.#options = options
    this.#issuers = issuers
    this.#lifetimes = lifetimesOf(issuers)
    this.#watch = this.#open(options, issuers)
    this.#list = new RevocationList(options.keep, init.log, options.isReadOnly)
    const { shared, log } = init
    // Who only looks has nothing to tell.
    const find = (id: string) => (options.isReadOnly === true ? undefined : this.#list.get(id))
    this.#sharing =
      shared === null ? null : new RevocationSharing({ shared, log, find, merge: all => this.#merge(all) })
    for (const id of this.#list.ids()) this.#sharing?.owe(id)
    this.#list.sweep(one => this.#hasEnded(one))
    this.#rebuild()
  }

  /** The id of what revokes a principal, or null. */
  revokedBy(who: Revocable): string | null {
    return this.#index.find(who)
  }

  /** The same, of what ends running calls too. */
  cutBy(who: Revocable): string | null {
    return this.#cutting.find(who)
  }

  /**
   * Follows a configuration, but for where revocations are kept.
   * @throws RevocationFileError for a file that cannot be used; nothing has changed then
   */
  follow(options: RevocationOptions, issuers: Issuers): void {
    const isSame = options.file === this.#options.file && isDeepStrictEqual(namesOf(issuers), namesOf(this.#issuers))
    const before = this.#watch?.entries ?? []
    if (!isSame) this.#watch = this.#open(options, issuers)
    this.#options = options
    this.#issuers = issuers
    this.#lifetimes = lifetimesOf(issuers)
    this.#tellOfFile(before)
    this.#changed()
  }

  /** All that are in force, the file's first. */
  list(): readonly Revocation[] {
    return [...this.#named(), ...this.#list.inForce()]
  }

  /** Revokes what an operator asks for, on this gate at once. @throws RevocationRefused */
  async add(request: unknown): Promise<Done> {
    const made = readRequest(request, {
      issuers: this.#issuers,
      lifetimes: this.#lifetimes,
      nowMs: this.#init.nowMs(),
      cutStreams: this.#options.cutStreams
    })
    const same = this.#list.inForce().find(one => covers(one, made))
    if (same !== undefined) return { revocation: same, isNew: false, notes: [] }
    if (this.#list.size >= MAX_REVOCATIONS) this.#sweep()
    if (this.#list.size >= MAX_REVOCATIONS) throw full()
    return { revocation: made, isNew: true, notes: await this.#change(made) }
  }

  /** Lifts one. @throws RevocationRefused */
  async lift(id: string): Promise<Done> {
    const known = this.#list.get(id)
    if (known === undefined || known.liftedAtMs !== null) {
      if (this.#named().some(one => one.id === id)) {
        throw new RevocationRefused('from_file', `${id} stands in ${this.#options.file}: remove it there`)
      }
      throw new RevocationRefused('unknown', `nothing is revoked as ${JSON.stringify(id.slice(0, 80))}`)
    }
    const lifted = liftedOf(known, this.#init.nowMs())
    return { revocation: lifted, isNew: true, notes: await this.#change(lifted) }
  }

  get status(): RevocationStatus {
    const active = { jti: 0, sub: 0, team: 0, kid: 0 }
    for (const { kind } of this.list()) active[kind]++
    const { file } = this.#options
    return {
      active,
      file: file === null || this.#watch === null ? null : { path: file, ...this.#watch.status },
      keep: this.#list.keep,
      store: this.#sharing?.status ?? null
    }
  }

  /** Begins to look at the file and to ask the store, every second. */
  start(): void {
    if (this.#clock !== null) return
    this.#clock = setInterval(() => this.tick(), TICK_MS).unref()
    void this.#sharing?.ask()
  }

  /** Whether what other gates have told is known, once it is, or when that takes too long. True where gates share nothing. */
  async isRead({ withinMs }: { readonly withinMs: Ms }): Promise<boolean> {
    const sharing = this.#sharing
    if (sharing === null) return true
    // A connection that is only being made refuses at once.
    for (const untilMs = performance.now() + withinMs; performance.now() < untilMs; await delay(READ_AGAIN_MS)) {
      await sharing.ask()
      if (sharing.status.state !== 'unread') return true
    }
    return false
  }

  /** What is done every second. Resolves when the store has been asked. */
  async tick(): Promise<void> {
    const before = this.#watch?.entries ?? []
    if (this.#watch?.look() === true) {
      this.#tellOfFile(before)
      this.#changed()
    }
    this.#sweep()
    await this.#sharing?.ask()
  }

  /** Stops, when what can be told has been told. */
  async close(): Promise<void> {
    if (this.#clock !== null) clearInterval(this.#clock)
    this.#clock = null
    if (this.#sharing?.status.state === 'there') await this.#sharing.tell()
  }

  #open({ file }: RevocationOptions, issuers: Issuers): RevocationWatch | null {
    if (file === null) return null
    const read = () => this.#init.read(file, namesOf(issuers))
    return new RevocationWatch(file, { ...this.#init, read })
  }

  async #change(one: Revocation): Promise<readonly string[]> {
    this.#list.put(one)
    this.#changed()
    this.#sharing?.owe(one.id)
    await this.#sharing?.tell()
    const why = this.#sharing?.whyUntold(one.id) ?? null
    const { keep } = this.#list
    const isKept = (keep !== null && keep.fault === null) || (this.#sharing !== null && why === null)
    return [
      ...(keep === null || keep.fault === null ? [] : [`it could not be written to ${keep.path} (${keep.fault})`]),
      ...(why === null ? [] : [UNTOLD[why]]),
      ...(isKept ? [] : [UNKEPT])
    ]
  }

  #merge(all: readonly Revocation[]): readonly string[] {
    const { isChanged, missing } = this.#list.merge(all, one => this.#hasEnded(one))
    if (isChanged) this.#changed()
    return missing
  }

  #sweep(): void {
    if (this.#list.sweep(one => this.#hasEnded(one))) this.#rebuild()
  }

  #hasEnded(one: Revocation): boolean {
    const endMs = endOf(one, this.#lifetimes)
    return endMs !== null && endMs <= this.#init.nowMs()
  }

  #changed(): void {
    if (this.#rebuild()) this.#init.onCut()
  }

  /** @returns whether any of them ends running calls */
  #rebuild(): boolean {
    const all = this.list()
    const cutting = all.filter(({ cutStreams }) => cutStreams)
    this.#index = new RevocationIndex(all)
    this.#cutting = new RevocationIndex(cutting)
    return cutting.length > 0
  }

  #tellOfFile(before: readonly RevocationEntry[]): void {
    const [made, lifted] = differencesOf(before, this.#watch?.entries ?? [])
    if (made.length > 0 || lifted.length > 0) this.#init.onFile?.(made, lifted)
  }

  #named(): readonly Revocation[] {
    return this.#watch?.named(this.#options.cutStreams) ?? []
  }
}

function full(): RevocationRefused {
  const message = `${MAX_REVOCATIONS} revocations are known already, lifted ones with them: revoke a subject or a team, or use revocation.file`
  return new RevocationRefused('full', message)
}

/** Whether what is in force reaches as far as what is asked for. */
function covers(known: Revocation, made: Revocation): boolean {
  const isSame = known.kind === made.kind && known.iss === made.iss && known.value === made.value
  const reach = ({ beforeMs }: Revocation) => beforeMs ?? Number.POSITIVE_INFINITY
  return isSame && reach(known) >= reach(made) && (known.cutStreams || !made.cutStreams)
}

function lifetimesOf(issuers: Issuers): Lifetimes {
  return {
    maxLifetimeMs: Math.max(0, ...issuers.map(({ maxLifetimeMs }) => maxLifetimeMs)),
    clockSkewMs: Math.max(0, ...issuers.map(({ clockSkewMs }) => clockSkewMs))
  }
}

function namesOf(issuers: Issuers): readonly { readonly name: string; readonly issuer: string }[] {
  return issuers.map(({ name, issuer }) => ({ name, issuer }))
}
