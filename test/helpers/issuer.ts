import { createHash, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { SignJWT } from 'jose'
import type { Test } from 'tap'

/** How the key server shall fail. */
export type IssuerFailure = 'status' | 'hang' | 'garbage' | 'redirect' | 'empty' | 'huge' | 'reset'

/** A key pair with its name. */
export interface TestKey {
  readonly kid: string
  readonly alg: string
  readonly privateKey: KeyObject
  readonly publicJwk: Record<string, unknown>
}

/** Makes a key pair for an algorithm. */
export function makeKey(alg = 'ES256'): TestKey {
  const pair =
    alg === 'ES256'
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : alg === 'EdDSA'
        ? generateKeyPairSync('ed25519')
        : generateKeyPairSync('rsa', { modulusLength: 2048 })
  const jwk = pair.publicKey.export({ format: 'jwk' })
  const kid = createHash('sha256').update(JSON.stringify(jwk)).digest('base64url').slice(0, 12)
  return { kid, alg, privateKey: pair.privateKey, publicJwk: { ...jwk, kid, alg, use: 'sig' } }
}

/** Signs a token; each claim or header member can be replaced, or removed with undefined. */
export async function signWith(
  key: TestKey,
  claims: Record<string, unknown>,
  header: Record<string, unknown> = {}
): Promise<string> {
  const nowSec = Math.floor(Date.now() / 1000)
  const payload: Record<string, unknown> = {
    aud: 'inference',
    sub: 'u-1',
    team_id: 'team-a',
    scopes: ['infer:text'],
    iat: nowSec,
    exp: nowSec + 600,
    ...claims
  }
  const protectedHeader = { alg: key.alg, kid: key.kid, typ: 'JWT', ...header }
  for (const object of [payload, protectedHeader] as Record<string, unknown>[]) {
    for (const name of Object.keys(object)) if (object[name] === undefined) delete object[name]
  }
  return await new SignJWT(payload).setProtectedHeader(protectedHeader as { alg: string }).sign(key.privateKey)
}

/** A real key-set server whose keys and failures the test controls. */
export interface Issuer {
  /** The exact `iss`; also serves the discovery document. */
  readonly url: string
  readonly jwksUrl: string
  /** The key that signs now. */
  readonly key: TestKey
  readonly fetches: number
  sign(claims?: Record<string, unknown>, header?: Record<string, unknown>): Promise<string>
  /** Makes a new key; the old one stays in the set when `keepOld`. */
  rotate(options?: { keepOld?: boolean; alg?: string }): TestKey
  /** Serves this instead of the keys that it made. */
  serve(jwks: unknown): void
  fail(how: IssuerFailure | null): void
  /** More headers for its answers, `cache-control` for example. */
  readonly headers: Record<string, string>
  /** What the discovery document says. */
  readonly metadata: Record<string, unknown>
  /** Resolves when the set has been asked for so many times in all. */
  waitForFetches(count: number): Promise<void>
  close(): Promise<void>
}

/** Starts a key-set server on a free port; it ends with the test. */
export async function startIssuer(t: Test, options: { alg?: string } = {}): Promise<Issuer> {
  let key = makeKey(options.alg)
  let jwks: unknown = { keys: [key.publicJwk] }
  let failure: IssuerFailure | null = null
  let fetches = 0
  const headers: Record<string, string> = {}
  const waiting: { count: number; resolve: () => void }[] = []

  const server = createServer((request, response) => {
    if (request.url === '/.well-known/openid-configuration') {
      response.setHeader('content-type', 'application/json').end(JSON.stringify(metadata))
      return
    }
    fetches++
    for (const waiter of waiting) if (fetches >= waiter.count) waiter.resolve()
    const body = JSON.stringify(failure === 'empty' ? { keys: [] } : jwks)
    const etag = `"${createHash('sha256').update(body).digest('hex').slice(0, 16)}"`
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
    if (failure === 'hang') return
    if (failure === 'reset') request.socket.resetAndDestroy()
    else if (failure === 'status') response.writeHead(500).end('no')
    else if (failure === 'garbage') response.end('<html>')
    else if (failure === 'redirect') response.writeHead(302, { location: '/elsewhere.json' }).end()
    else if (failure === 'huge') response.end(JSON.stringify({ keys: [key.publicJwk], padding: 'x'.repeat(400_000) }))
    else if (request.headers['if-none-match'] === etag) response.writeHead(304).end()
    else response.setHeader('etag', etag).end(body)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const metadata: Record<string, unknown> = { issuer: url, jwks_uri: `${url}/jwks.json` }
  const close = async () => {
    server.closeAllConnections()
    if (server.listening) await new Promise(resolve => server.close(resolve))
  }
  t.teardown(close)

  return {
    url,
    jwksUrl: `${url}/jwks.json`,
    headers,
    metadata,
    get key() {
      return key
    },
    get fetches() {
      return fetches
    },
    sign: (claims = {}, header = {}) => signWith(key, { iss: url, ...claims }, header),
    rotate({ keepOld = false, alg = options.alg } = {}) {
      const old = key
      key = makeKey(alg)
      jwks = { keys: keepOld ? [old.publicJwk, key.publicJwk] : [key.publicJwk] }
      return key
    },
    serve(set) {
      jwks = set
    },
    fail(how) {
      failure = how
    },
    waitForFetches: count =>
      fetches >= count ? Promise.resolve() : new Promise<void>(resolve => waiting.push({ count, resolve })),
    close
  }
}
