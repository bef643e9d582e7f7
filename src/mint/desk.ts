import { createHmac, randomBytes } from 'node:crypto'
import type { Client, Issue } from '../caller.ts'
import { GateError } from '../errors.ts'
import { type Ms, type NowMs, secFromMs } from '../time.ts'
import { Turns } from '../turns.ts'
import { type Accounts, type ApiKey, canonicalName, type Grant, hasEnded, type User } from './accounts.ts'
import { findApiKey, idOf, mayUseFrom } from './api-keys.ts'
import { readClient } from './client-auth.ts'
import type { KeyRing } from './key-ring.ts'
import type { Parameters } from './parameters.ts'
import { HASHED_AT_ONCE } from './password-threads.ts'
import { COST, dummyHash, type PasswordHash, readPassword } from './passwords.ts'
import { readScopes } from './scopes.ts'
import { makeJti, signToken } from './sign.ts'
import type { Throttle, Try } from './throttle.ts'

/** `subject_token_type` of an API key. */
export const API_KEY_TYPE = 'urn:tollgate:token-type:api-key'
/** `grant_type` of RFC 8693. */
export const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'

const ACCESS_TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:access_token'
const REQUESTED_TYPES = [ACCESS_TOKEN_TYPE, 'urn:ietf:params:oauth:token-type:jwt']

/** More that wait would wait for seconds. */
const WAITING = 64
/** Tokens that are signed at once: in the thread pool, which verifies tokens too, in a fraction of a millisecond each. */
const SIGNED_AT_ONCE = 4
const WAITING_TO_SIGN = 256

/** `client_id` of tokens that somebody got for a name and a password. */
const LOGIN_CLIENT = 'login'

/** What the tokens say, and how long they last. */
export interface DeskOptions {
  readonly issuer: string
  readonly audience: string
  readonly ttlMs: Ms
}

/** What the desk is given. */
export interface DeskInit {
  readonly nowMs: NowMs
  readonly options: () => DeskOptions
  readonly ring: Pick<KeyRing, 'signing'>
  readonly accounts: () => Accounts
  readonly throttle: Throttle
  /** A failed try of an address. @param what a digest that tells guesses apart from the same mistake made again */
  readonly note: (client: Client, weight: number, what: string) => void
  /** Hashes a password, off the event loop. @returns whether it is the one that is kept */
  readonly verify: (password: string, kept: PasswordHash) => Promise<boolean>
}

/** What is told of a token that was issued (RFC 6749 section 5.1). */
export interface TokenAnswer {
  readonly access_token: string
  readonly token_type: 'Bearer'
  readonly expires_in: number
  readonly scope: string
  /** Of a token exchange alone (RFC 8693 section 2.2.1). */
  readonly issued_token_type?: string
}

/** One request for a token. */
export interface TokenRequest {
  readonly parameters: Parameters
  /** The header `Authorization`. */
  readonly authorization: string | undefined
  readonly client: Client
  /** Told what becomes known of it, for the audit line. */
  readonly tell: (known: Partial<Issue>) => void
}

/** Issues tokens: who may have one, and what it says. */
export interface Desk {
  /**
   * For a name and a password. Whoever has no right to a token is told the same, after the same work: one hash, whether there
   * is such a user or not.
   * @throws TOLLGATE_MINT_LOGIN, _REQUEST, _SCOPE, _TARGET, _THROTTLED, _BUSY
   */
  login(request: TokenRequest): Promise<TokenAnswer>
  /**
   * For an API key: as the client's own credentials (RFC 6749 section 4.4), or exchanged (RFC 8693).
   * @throws TOLLGATE_MINT_CLIENT, _SUBJECT, _GRANT_TYPE, _REQUEST, _SCOPE, _TARGET
   */
  token(request: TokenRequest): Promise<TokenAnswer>
}

/** Makes the desk. Holds no password and no key longer than a request. */
export function createDesk(init: DeskInit): Desk {
  const { nowMs, options, ring, accounts, throttle, note, verify } = init
  const turns = new Turns({ atOnce: HASHED_AT_ONCE, waiting: WAITING })
  const signings = new Turns({ atOnce: SIGNED_AT_ONCE, waiting: WAITING_TO_SIGN })
  const own = randomBytes(32)
  const digest = (text: string) => createHmac('sha256', own).update(text).digest()
  const costs = new WeakMap<ReadonlyMap<string, User>, readonly PasswordHash[]>()

  /**
   * What is hashed against for a name that nobody has. It costs what the password of some user costs, always the same one for
   * the same name: where old passwords cost something else, time does not tell who is a user.
   */
  function dummyFor(name: string, users: ReadonlyMap<string, User>): PasswordHash {
    let dummies = costs.get(users)
    if (dummies === undefined) {
      dummies = [...users.values()].map(({ password }) => dummyHash(password))
      if (dummies.length === 0) dummies = [dummyHash(COST)]
      costs.set(users, dummies)
    }
    return dummies[digest(name).readUInt32BE() % dummies.length] as PasswordHash
  }

  async function login({ parameters, client, tell }: TokenRequest): Promise<TokenAnswer> {
    tell({ grant: 'password' })
    const { users } = accounts()
    const given = parameters.get('username')
    const password = readPassword(parameters.get('password') ?? '')
    if (users === null || given === undefined || given.length > 256 || password === null) {
      throw new GateError('TOLLGATE_MINT_REQUEST', { reason: 'credentials' })
    }
    checkTarget(parameters)
    const asked = readScopes(parameters.get('scope'))
    // What is no name is nobody's, and takes as long as another.
    const name = canonicalName(given) ?? `\n${given}`
    const user = users.get(name)
    tell({ sub: user?.subject ?? null, team: user?.team ?? null })

    const of: Try = { name, address: client.key }
    // Counted in its turn: what is sent away does not count as a failed one.
    const tried = await turns.run(async () => {
      const waitMs = await throttle.enter(of)
      if (waitMs > 0) return { waitMs }
      const dummy = dummyFor(name, users) // Also for a name that somebody has: it takes as long.
      return { isRight: await verify(password, user?.password ?? dummy) }
    }, client.key)
    if (tried === null) throw tooMany()
    if ('waitMs' in tried) {
      const retryAfterSec = Math.ceil(tried.waitMs / 1000)
      throw new GateError('TOLLGATE_MINT_THROTTLED', { reason: 'throttled' }, { retryAfterSec })
    }
    const now = nowMs()
    const reason = refusalOf(user, tried.isRight, now)
    if (user === undefined || reason !== null) {
      note(client, 1, digest(`${name}\n${password}`).toString('base64url', 0, 12))
      throw new GateError('TOLLGATE_MINT_LOGIN', { reason })
    }
    await throttle.succeeded(of)
    return await issue({ of: user, asked, clientId: LOGIN_CLIENT, now }, { client, tell })
  }

  async function token(request: TokenRequest): Promise<TokenAnswer> {
    const { parameters, tell } = request
    const grantType = parameters.get('grant_type')
    switch (grantType) {
      case undefined:
        throw new GateError('TOLLGATE_MINT_REQUEST', { reason: 'grant_type' })
      case 'client_credentials': {
        tell({ grant: 'client_credentials' })
        checkTarget(parameters)
        const asked = readScopes(parameters.get('scope'))
        const credentials = readClient(parameters, request.authorization)
        if (credentials === null) throw new GateError('TOLLGATE_MINT_CLIENT', { reason: 'no_client' })
        const key = clientOf(request, credentials)
        return await issue({ of: key, asked, clientId: key.id, now: nowMs() }, request)
      }
      case TOKEN_EXCHANGE:
        tell({ grant: 'token_exchange' })
        return await exchange(request)
      default:
        throw new GateError('TOLLGATE_MINT_GRANT_TYPE', { reason: 'grant_type' })
    }
  }

  async function exchange(request: TokenRequest): Promise<TokenAnswer> {
    const { parameters, authorization } = request
    const subjectToken = parameters.get('subject_token')
    const requested = parameters.get('requested_token_type') ?? ACCESS_TOKEN_TYPE
    if (subjectToken === undefined || !parameters.has('subject_token_type')) {
      throw new GateError('TOLLGATE_MINT_REQUEST', { reason: 'subject_token' })
    }
    if (
      parameters.get('subject_token_type') !== API_KEY_TYPE ||
      !REQUESTED_TYPES.includes(requested) ||
      parameters.has('actor_token') ||
      parameters.has('actor_token_type')
    ) {
      throw new GateError('TOLLGATE_MINT_REQUEST', { reason: 'token_type' })
    }
    checkTarget(parameters)
    const asked = readScopes(parameters.get('scope'))
    // The key speaks for itself. Whoever says who asks has to prove that too.
    const credentials = readClient(parameters, authorization)
    if (credentials !== null) clientOf(request, credentials)
    const key = keyOf(request, subjectToken, reason => new GateError('TOLLGATE_MINT_SUBJECT', { reason }))
    return {
      ...(await issue({ of: key, asked, clientId: key.id, now: nowMs() }, request)),
      issued_token_type: ACCESS_TOKEN_TYPE
    }
  }

  function clientOf(request: TokenRequest, { id, secret }: { id: string | null; secret: string }): ApiKey {
    const refuse = (reason: string) => new GateError('TOLLGATE_MINT_CLIENT', { reason })
    const key = keyOf(request, secret, refuse)
    if (id !== null && id !== key.id && id !== `tg_${key.id}`) throw refuse('another_client')
    return key
  }

  function keyOf({ client, tell }: TokenRequest, text: string, refuse: (reason: string) => GateError): ApiKey {
    const keys = accounts().apiKeys ?? NONE
    const claimed = keys.get(idOf(text) ?? '')
    tell({ sub: claimed?.subject ?? null, team: claimed?.team ?? null, clientId: claimed?.id ?? null })
    const key = findApiKey(text, keys)
    if (key === null) {
      note(client, 1, digest(text).toString('base64url', 0, 12))
      throw refuse(claimed === undefined ? 'unknown_key' : 'wrong_secret')
    }
    // Its holder has made no guess: neither counts against the address.
    if (hasEnded(key, nowMs())) throw refuse('expired')
    if (!mayUseFrom(key, client.ip)) throw refuse('address')
    return key
  }

  function checkTarget(parameters: Parameters): void {
    const { audience, issuer } = options()
    const asked = parameters.get('audience')
    const resource = parameters.get('resource')
    if (asked !== undefined && asked !== audience) throw new GateError('TOLLGATE_MINT_TARGET', { reason: 'audience' })
    if (resource !== undefined && resource !== audience && resource !== issuer) {
      throw new GateError('TOLLGATE_MINT_TARGET', { reason: 'resource' })
    }
  }

  async function issue(
    { of, asked, clientId, now }: Granted,
    { client, tell }: Pick<TokenRequest, 'client' | 'tell'>
  ): Promise<TokenAnswer> {
    const scopes = asked === null ? of.scopes : of.scopes.filter(scope => asked.has(scope))
    if (scopes.length === 0) throw new GateError('TOLLGATE_MINT_SCOPE', { reason: 'scope' })
    const { issuer, audience, ttlMs } = options()
    const iatSec = secFromMs(now)
    const lastSec = of.expiresAtMs === null ? Number.POSITIVE_INFINITY : secFromMs(of.expiresAtMs)
    const ttlSec = Math.max(1, Math.min(Math.floor(ttlMs / 1000), lastSec - iatSec))
    const { signing } = ring
    const jti = makeJti()
    const sign = () =>
      signToken(
        signing,
        {
          issuer,
          audience,
          subject: of.subject,
          team: of.team,
          scopes,
          // A role opens more than its scopes say: who asks for less than all gets a token without.
          role: scopes.length === of.scopes.length ? of.role : null,
          ttlSec,
          clientId,
          jti
        },
        now
      )
    const signed = await signings.run(sign, client.key)
    if (signed === null) throw tooMany()
    tell({
      sub: of.subject,
      team: of.team,
      clientId,
      jti,
      kid: signing.kid,
      iss: issuer,
      iatSec,
      expSec: iatSec + ttlSec
    })
    return { access_token: signed, token_type: 'Bearer', expires_in: ttlSec, scope: scopes.join(' ') }
  }

  return { login, token }
}

/** What was found good. */
interface Granted {
  readonly of: Grant
  readonly asked: ReadonlySet<string> | null
  readonly clientId: string
  readonly now: Ms
}

const NONE: ReadonlyMap<string, ApiKey> = new Map()

/** Why a login is refused, for the log alone; null when it is not. */
function refusalOf(user: User | undefined, isRight: boolean, nowMs: Ms): string | null {
  if (user === undefined) return 'unknown_user'
  if (!isRight) return 'wrong_password'
  if (user.isSuspended) return 'suspended'
  return hasEnded(user, nowMs) ? 'expired' : null
}

function tooMany(): GateError {
  return new GateError('TOLLGATE_MINT_BUSY', { reason: 'busy' })
}
