import type { Exchange } from '../exchange.ts'
import type { Ms, NowMs } from '../time.ts'
import type { Bytes } from '../units.ts'
import type { MetricsOptions } from './options.ts'
import type { Crossing } from './subjects.ts'

/** What is read of the gate when somebody asks. Nothing of it is kept up to date meanwhile. */
export interface Surroundings {
  readonly nowMs: NowMs
  readonly options: () => MetricsOptions
  /** Told, on the way out, of each subject that goes over a threshold. */
  readonly onCrossing: (crossing: Crossing) => void
  /** Whether the configuration names a team. */
  readonly isTeam: (name: string) => boolean
  readonly issuers: () => Iterable<IssuerSeen>
  readonly pools: () => Iterable<PoolSeen>
  /** Calls that are at an engine now. */
  readonly calls: () => readonly Exchange[]
  readonly keySets: () => Iterable<KeysSeen>
  /** Keys that the gate signs with; null without a mint. */
  readonly mintKeys: () => Iterable<MintKeySeen> | null
  readonly tokens: () => TokensSeen
  readonly load: () => LoadSeen
  readonly limits: () => LimitsSeen
  /** Null where gates share nothing. */
  readonly store: () => StoreSeen | null
  readonly bans: () => BansSeen
  readonly connections: () => ConnectionsSeen
  readonly revocations: () => RevocationsSeen
  /** Null without one. */
  readonly ledger: () => LedgerSeen | null
  readonly sinks: () => Iterable<SinkSeen>
}

/** An issuer of the configuration. */
export interface IssuerSeen {
  readonly name: string
  /** The exact `iss`. */
  readonly issuer: string
}

/** A pool, as `route` has it. */
export interface PoolSeen {
  readonly name: string
  readonly queue: { depths(): readonly { readonly class: string; readonly waiting: number }[] }
  readonly targets: readonly TargetSeen[]
  serves(model: string): boolean | null
}

/** A target of a pool. */
export interface TargetSeen {
  readonly target: { readonly origin: string }
  readonly inFlight: number
  readonly health: { stateAt(nowMs: Ms): 'up' | 'trial' | 'out'; readonly isEjected: boolean }
  readonly pauses: { lastUntil(nowMs: Ms): Ms }
  /** Teams for which alone it is left out. */
  readonly teamsWithout: number
}

/** The keys of an issuer. */
export interface KeysSeen {
  readonly name: string
  readonly ageMs: Ms | null
  readonly kids: readonly string[]
  /** Null where there is nothing to read: a shared secret. */
  readonly loads: { readonly done: number; readonly failed: number } | null
}

/** A key of the mint. */
export interface MintKeySeen {
  readonly state: 'next' | 'waiting' | 'signing' | 'retired' | 'gone'
  readonly sinceMs: Ms
}

/** The memory of tokens. */
export interface TokensSeen {
  readonly stats: {
    readonly hits: number
    readonly negativeHits: number
    readonly misses: number
    readonly evictions: number
  }
  readonly remembered: number
}

/** What the gate itself has to do. */
export interface LoadSeen {
  /** 0 lets everybody in, 2 nobody. */
  readonly level: number
  /** 0 to 1. */
  readonly memory: number
  readonly bodyBytes: Bytes
}

/** What limits have decided, and how their store is. */
export interface LimitsSeen {
  readonly decisions: Iterable<{
    readonly policy: string
    readonly scope: string
    readonly resource: string
    readonly counts: Readonly<Record<string, number>>
  }>
  /** Of a team. */
  readonly budgetsOf: (team: string) => Iterable<{ readonly budget: string; readonly ratio: number }>
  /** Calls that hold a place. */
  readonly leases: number
  /** Null where gates share nothing. */
  readonly store: {
    readonly store: 'there' | 'away'
    readonly answers: boolean
    readonly gates: number
    readonly unanswered: number
    readonly owed: number
    readonly dropped: number
  } | null
}

/** The store that gates share. */
export interface StoreSeen {
  /** By what it is used for: whether it has answered last. */
  readonly answers: Readonly<Record<string, boolean>>
  /** What will be a trouble though it answers. */
  readonly warnings: readonly string[]
}

/** Banned addresses. */
export interface BansSeen {
  /** By the reasons of this gate's own. */
  readonly imposed: ReadonlyMap<string, number>
  readonly active: number
  readonly evictedCounters: number
  readonly evictedBans: number
}

/** Connections of callers. */
export interface ConnectionsSeen {
  /** By what they have to do next. */
  readonly open: Readonly<Record<string, number>>
  readonly max: number
  readonly refused: Readonly<Record<string, number>>
  /** By code. */
  readonly errors: ReadonlyMap<string, number>
}

/** What is revoked. */
export interface RevocationsSeen {
  readonly active: Readonly<Record<string, number>>
  readonly file: { readonly fault: string | null } | null
  readonly keep: { readonly fault: string | null } | null
  readonly store: { readonly untold: number } | null
}

/** The ledger of usage. */
export interface LedgerSeen {
  readonly opens: number
  readonly usages: number
  readonly bytes: Bytes
  readonly errors: number
  /** Lines that were given up, and lines that are not written yet. */
  readonly lost: number
  readonly waiting: number
  readonly oldestUnwrittenMs: Ms
  readonly oldestUnsyncedMs: Ms
  /** Null when it is not known. */
  readonly diskFreeBytes: Bytes | null
}

/** A sink that usage is shipped to. */
export interface SinkSeen {
  readonly name: string
  /** Another gate may ship to it meanwhile. */
  readonly isOurs: boolean
  readonly lagMs: Ms
  readonly failures: number
  readonly shipped: number
  readonly dead: number
}

/** What whoever runs the gate knows of it. */
export interface RunSeen {
  readonly isDraining: boolean
  /** Requests that the admin listener has refused, by why. */
  readonly adminRefused: Readonly<Record<string, number>>
  readonly reload: {
    readonly loadedAtMs: Ms
    readonly hash: string
    readonly last: { readonly ok: boolean } | null
    readonly reloads: number
    readonly failures: number
    readonly pendingRestart: readonly unknown[]
  }
  readonly logs: { readonly operator: LogSeen; readonly audit: LogSeen }
}

/** A log of lines. */
export interface LogSeen {
  readonly heldBytes: Bytes
  /** Lines that were given up. */
  readonly dropped: number
}
