import { GateError } from '../errors.ts'
import type { Ban, Client, Operator } from '../exchange.ts'
import { inNetworks } from '../networks.ts'
import type { Ms, NowMs } from '../time.ts'
import { readKey } from './address.ts'
import { BanRecords } from './ban-records.ts'
import { isPassedOn } from './client-ip.ts'
import { Failures } from './failures.ts'
import type { BanMode, IdentifyOptions } from './options.ts'
import { weightOf } from './weights.ts'

/** What has become of a ban. `lifted`: before its end. */
export interface BanEvent {
  readonly what: 'added' | 'lifted'
  readonly ban: Ban
  /** It is told and counted, and refuses nobody. */
  readonly isDry: boolean
  /** Who has asked for it; null where nobody had to. */
  readonly by: Operator | null
  /** What led to it was passed on by somebody: the address may be that of a proxy which nobody has named. */
  readonly isPassedOn: boolean
}

/** What bans are made with. */
export interface BansInit {
  readonly nowMs: NowMs
  /** Told of each change that began at this gate. */
  readonly onChange: (event: BanEvent) => void
  readonly maxCounters?: number
  readonly maxBans?: number
}

/** What was counted of bans so far, and how much is held. */
export interface BanStats {
  /** Imposed by this gate, by their reasons. */
  readonly imposed: ReadonlyMap<string, number>
  readonly active: number
  readonly evictedCounters: number
  readonly evictedBans: number
}

/** What goes with a ban that begins. */
interface Putting extends Pick<BanEvent, 'by' | 'isPassedOn'> {
  readonly active: Ban | null
  readonly nowMs: Ms
}

/** Loopback, and what stands for a peer that nobody knows any more. */
const OURS = ['127.0.0.0/8', '::1', '0.0.0.0']
const MAX_REASONS = 50

/**
 * Who is banned, by address. Loopback, trusted proxies and the networks of `clients.bans.never` never are, whatever they do.
 * It lasts while configurations come and go.
 */
export class Bans {
  readonly #nowMs: NowMs
  readonly #onChange: (event: BanEvent) => void
  readonly #failures: Failures
  readonly #records: BanRecords
  readonly #imposed = new Map<string, number>([
    ['failures', 0],
    ['manual', 0]
  ])
  #options: IdentifyOptions['bans']
  #ipv6Prefix: number
  #isExempt: (ip: string) => boolean

  constructor(options: IdentifyOptions, { nowMs, onChange, maxCounters, maxBans }: BansInit) {
    this.#nowMs = nowMs
    this.#onChange = onChange
    this.#failures = new Failures(maxCounters === undefined ? {} : { max: maxCounters })
    this.#records = new BanRecords(maxBans === undefined ? {} : { max: maxBans })
    this.#options = options.bans
    this.#ipv6Prefix = options.ipv6Prefix
    this.#isExempt = exemptBy(options)
  }

  /** Follows a configuration: bans stay, but those of networks that are never banned any more are lifted. */
  follow(options: IdentifyOptions): void {
    const before = this.#options.mode
    this.#options = options.bans
    this.#ipv6Prefix = options.ipv6Prefix
    this.#isExempt = exemptBy(options)
    const { mode } = options.bans
    if (mode === 'off') this.#failures.clear()
    // What was only tried out shall not come into force by a reload.
    if (before === 'dry_run' && mode !== 'dry_run') this.#records.clear()
    for (const ban of this.#records.all(this.#nowMs())) if (this.#isExempt(ban.ip)) this.lift(ban.key)
  }

  /** The ban of a caller, or null. Before anything else is done for him. */
  judge(client: Client): Ban | null {
    if (this.#records.size === 0) return null
    const ban = this.#records.active(client.key, this.#nowMs())
    if (ban === null || this.#isDry || client.isProxy || this.#isExempt(client.ip)) return null
    return ban
  }

  /** Whether a banned caller is refused even with a token that was verified before. */
  get isStrict(): boolean {
    return this.#options.mode === 'strict'
  }

  /**
   * Counts a failure of an address.
   * @param weight 1 for a plain one; 0 counts nothing
   * @param what tells it from others, a digest of the token or a name: the same one counts once
   * @param rawHeaders of the request
   */
  note(client: Client, weight: number, what: string, rawHeaders: readonly string[] = []): void {
    const { mode, after, withinMs, forMs } = this.#options
    if (mode === 'off' || weight <= 0) return
    const nowMs = this.#nowMs()
    if (this.#records.active(client.key, nowMs) !== null) return
    const sum = this.#failures.add(client.key, weight, what, { nowMs, withinMs })
    if (sum < after) return
    // Behind a proxy that is trusted the address is another than the peer's.
    this.impose(client, {
      reason: 'failures',
      forMs,
      isPassedOn: client.ip === client.peerIp && isPassedOn(rawHeaders)
    })
  }

  /** Counts a token that was refused, by what B4 says of the reason. @param token a digest or the token, which is not kept */
  blame(client: Client, error: GateError, token: string, rawHeaders: readonly string[] = []): void {
    this.note(client, weightOf(error), token, rawHeaders)
  }

  /**
   * Bans an address by a rule. Lasts twice as long each time, up to `max`; one that is banned already stays so for what is left
   * of it when that is longer.
   * @returns the ban, or null for an address that is never banned, and where bans are off
   */
  impose(
    client: Pick<Client, 'ip' | 'key' | 'isProxy'>,
    of: { readonly reason: string; readonly forMs: Ms; readonly isPassedOn?: boolean }
  ): Ban | null {
    if (this.#options.mode === 'off' || client.isProxy || this.#isExempt(client.ip)) return null
    const { ip, key } = client
    const nowMs = this.#nowMs()
    const active = this.#records.active(key, nowMs)
    const times = active === null ? this.#records.timesOf(key, nowMs) + 1 : active.times
    const lastsMs = Math.min(Math.max(this.#options.maxMs, of.forMs), of.forMs * 2 ** Math.min(times - 1, 40))
    return this.#put(
      { key, ip, reason: of.reason, sinceMs: nowMs, untilMs: nowMs + lastsMs, times },
      { active, nowMs, by: null, isPassedOn: of.isPassedOn ?? false }
    )
  }

  /** Bans by hand, for exactly so long. @param address an address, or a key as `list` shows it @returns null for one that is never banned */
  add(address: string, { forMs, by = null }: { readonly forMs: Ms; readonly by?: Operator | null }): Ban | null {
    const found = readKey(address, this.#ipv6Prefix)
    if (found === null || this.#options.mode === 'off' || this.#isExempt(found.ip)) return null
    const nowMs = this.#nowMs()
    const times = this.#records.timesOf(found.key, nowMs) + 1
    const ban = { ...found, reason: 'manual', sinceMs: nowMs, untilMs: nowMs + forMs, times }
    return this.#put(ban, { active: null, nowMs, by, isPassedOn: false })
  }

  /** Lifts a ban, and forgets what led to it and how often it was. @returns false when there is none */
  lift(address: string, by: Operator | null = null): boolean {
    const key = readKey(address, this.#ipv6Prefix)?.key
    if (key === undefined) return false
    this.#failures.forget(key)
    const nowMs = this.#nowMs()
    const ban = this.#records.active(key, nowMs)
    this.#records.delete(key)
    if (ban === null) return false
    this.#onChange({ what: 'lifted', ban, isDry: this.#isDry, by, isPassedOn: false })
    return true
  }

  /** What holds now. */
  list(): readonly Ban[] {
    return this.#records.all(this.#nowMs())
  }

  /** Takes over what another gate has decided. @param ban null when it was lifted there */
  learn(key: string, ban: Ban | null): void {
    if (ban === null) {
      this.#failures.forget(key)
      this.#records.delete(key)
    } else if (!this.#isDry && this.#options.mode !== 'off' && !this.#isExempt(ban.ip)) {
      this.#records.set(ban, this.#nowMs())
    }
  }

  get mode(): BanMode {
    return this.#options.mode
  }

  stats(): BanStats {
    return {
      imposed: this.#imposed,
      active: this.list().length,
      evictedCounters: this.#failures.evictions,
      evictedBans: this.#records.evictions
    }
  }

  /** The error for a caller who is banned. */
  refusal(ban: Ban): GateError {
    const retryAfterSec = Math.max(1, Math.ceil((ban.untilMs - this.#nowMs()) / 1_000))
    return new GateError('TOLLGATE_IDENTIFY_BANNED', { reason: 'banned', ban: ban.reason }, { retryAfterSec })
  }

  get #isDry(): boolean {
    return this.#options.mode === 'dry_run'
  }

  #put(ban: Ban, { active, nowMs, by, isPassedOn }: Putting): Ban {
    if (active !== null && active.untilMs >= ban.untilMs) return active
    this.#failures.forget(ban.key)
    this.#records.set(ban, nowMs)
    const known = this.#imposed.has(ban.reason) || this.#imposed.size < MAX_REASONS ? ban.reason : 'other'
    this.#imposed.set(known, (this.#imposed.get(known) ?? 0) + 1)
    this.#onChange({ what: 'added', ban, isDry: this.#isDry, by, isPassedOn })
    return ban
  }
}

function exemptBy({ trustedProxies, bans }: IdentifyOptions): (ip: string) => boolean {
  return inNetworks([...OURS, ...trustedProxies, ...bans.never])
}
