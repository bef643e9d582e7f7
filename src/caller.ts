import type { Duplex } from 'node:stream'
import type { Ms, Sec } from './time.ts'

/** Whose address the request came from, written by `identify`. */
export interface Client {
  /** The caller's address after the rules for trusted proxies, canonical: `203.0.113.7`, `2001:db8::7`. */
  readonly ip: string
  /** What failures are counted by: the IPv4 address, or the network of the IPv6 one, a /64 unless configured. */
  readonly key: string
  /** The socket's own peer. */
  readonly peerIp: string
  /** True when no address beyond a trusted proxy could be found: never to be banned. */
  readonly isProxy: boolean
  /** Set while its address is banned: then it is served nothing but what a token opens that was verified before. */
  readonly ban?: Ban
}

/** An address that is refused for a while. */
export interface Ban {
  /** What is banned: `client.key`. */
  readonly key: string
  /** The address that it was imposed for. */
  readonly ip: string
  /** Why, in a word: `failures`, `manual`, or the name of a rule. */
  readonly reason: string
  readonly sinceMs: Ms
  readonly untilMs: Ms
  /** How often it has been banned, this time included: each time lasts twice as long. */
  readonly times: number
}

/** Whose token it is: the verified principal, frozen, without the token. Written by `authenticate`. */
export interface Identity {
  readonly iss: string
  readonly sub: string
  /** The team that the token names, or null when it names none. */
  readonly team: string | null
  /** Scopes as the token carries them; roles are not resolved yet. */
  readonly scopes: ReadonlySet<string>
  readonly role: string | null
  readonly iatSec: Sec
  readonly expSec: Sec
  readonly jti: string | null
  readonly kid: string | null
  readonly alg: string
  /** What the token itself is limited to; absent when it says nothing of it. */
  readonly limits?: ClaimedLimits
  /** First 16 hex digits of the SHA-256 of the token: names it in a log, opens nothing. */
  readonly fingerprint: string
}

/** What a claim limits its subject to: whole numbers above zero. It lowers what is configured, and raises nothing. */
export interface ClaimedLimits {
  /** Requests in a minute. */
  readonly rpm: number | null
  /** Tokens in a minute. */
  readonly tpm: number | null
  /** Calls at once. */
  readonly concurrent: number | null
}

/** Who has asked for something at the second listener, or in a file that the gate follows. */
export interface Operator {
  /** Null for a file. */
  readonly address: string | null
  /** `admin.token`, or `this machine` where there is none; or the key that names the file. */
  readonly by: string
}

/** A token that somebody asks the gate for, as far as it has come. Written by `mint`; what is not known is null. */
export interface Issue {
  readonly grant: 'password' | 'client_credentials' | 'token_exchange' | null
  /** The subject, when there is such an account: what somebody types for a name may be a password. */
  readonly sub: string | null
  readonly team: string | null
  /** The id of an API key that there is. */
  readonly clientId: string | null
  /** Of the token; null for one that was not issued, as what follows. */
  readonly jti: string | null
  readonly kid: string | null
  readonly iss: string | null
  readonly iatSec: Sec | null
  readonly expSec: Sec | null
}

/** The socket of a caller who asks to go on as a WebSocket. */
export interface Upgrade {
  readonly socket: Duplex
  /** What came behind the head of the request. */
  readonly head: Buffer
}
