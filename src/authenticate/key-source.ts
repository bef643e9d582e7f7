import { hash } from 'node:crypto'
import { lookup } from 'node:dns/promises'
import { readFile } from 'node:fs/promises'
import { ByteCollector } from '../byte-collector.ts'
import { inNetworks } from '../networks.ts'
import type { Ms } from '../time.ts'
import type { Turns } from '../turns.ts'
import type { IssuerOptions } from './options.ts'
import { isObject } from './strict-json.ts'

/** A key set as it was found, or the word that it has not changed, and how long the publisher lets it be held. */
export type Loaded =
  | { readonly isChanged: false; readonly maxAgeMs: Ms | null }
  | { readonly isChanged: true; readonly jwks: unknown; readonly version: string | null; readonly maxAgeMs: Ms | null }

/**
 * Loads a key set; `faultOf` says to the operator why it could not.
 * @param version of the set that is held, or null
 * @param signal ends the load, wherever it stands
 */
export type LoadKeys = (version: string | null, signal: AbortSignal) => Promise<Loaded>

/** What loads are given. */
export interface LoadLimits {
  /** Where fetches of all issuers wait for their turn. Files wait for nobody: only the network has sources that hang. */
  readonly fetches: Turns
  /** How long a load may take, all in all, from its turn on. */
  readonly timeoutMs?: Ms
}

const TIMEOUT_MS: Ms = 5_000
const MAX_BYTES = 256 * 1024
const MIN_MAX_AGE_MS: Ms = 60_000
const MAX_MAX_AGE_MS: Ms = 3_600_000

/** The loader of an issuer's source, or null for a shared secret, which is never loaded. */
export function loaderFor(options: IssuerOptions, { fetches, timeoutMs = TIMEOUT_MS }: LoadLimits): LoadKeys | null {
  const load = sourceOf(options)
  if (load === null) return null
  const bounded: LoadKeys = (version, signal) =>
    load(version, AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]))
  if (options.keys.kind === 'jwks_file') return bounded
  return async (version, signal) => {
    const loaded = await fetches.run(() => bounded(version, signal))
    if (loaded === null) throw new Error('too many loads at once')
    return loaded
  }
}

function sourceOf({ keys, issuer }: IssuerOptions): LoadKeys | null {
  switch (keys.kind) {
    case 'jwks_url':
      return (version, signal) => loadUrl(new URL(keys.url), version, signal)
    case 'discovery':
      return async (version, signal) => await loadUrl(await discover(issuer, signal), version, signal)
    case 'jwks_file':
      return (version, signal) => loadFile(keys.path, version, signal)
    case 'hs256_secret':
    case 'own':
      return null
  }
}

/** Says why a load failed without saying where or what: an address may hold credentials, a file may hold a secret. */
export function faultOf(err: unknown): string {
  if (err instanceof SyntaxError) return 'not JSON'
  const cause = err instanceof Error && err.cause instanceof Error ? err.cause : err
  if (cause instanceof Error && 'code' in cause && typeof cause.code === 'string') return cause.code
  return cause instanceof Error ? cause.message : 'unknown'
}

async function loadFile(path: string, version: string | null, signal: AbortSignal): Promise<Loaded> {
  const bytes = await readFile(path, { signal })
  if (bytes.length > MAX_BYTES) throw new Error('the key file is too long')
  const found = hash('sha256', bytes)
  if (found === version) return { isChanged: false, maxAgeMs: null }
  return { isChanged: true, jwks: JSON.parse(bytes.toString('utf8')), version: found, maxAgeMs: null }
}

async function loadUrl(url: URL, version: string | null, signal: AbortSignal): Promise<Loaded> {
  const response = await get(url, version === null ? {} : { 'if-none-match': version }, signal)
  const maxAgeMs = maxAgeOf(response)
  if (response.status === 304 && version !== null) {
    await response.body?.cancel()
    return { isChanged: false, maxAgeMs }
  }
  return { isChanged: true, jwks: await readJson(response), version: response.headers.get('etag'), maxAgeMs }
}

/**
 * Finds the key set of an issuer by its metadata. The metadata must name the very issuer that was asked for
 * (RFC 8414 section 3.3); nothing else is taken from it.
 */
async function discover(issuer: string, signal: AbortSignal): Promise<URL> {
  const at = new URL(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`)
  const metadata = await readJson(await get(at, {}, signal))
  if (!isObject(metadata) || metadata.issuer !== issuer) throw new Error('the metadata names another issuer')
  if (typeof metadata.jwks_uri !== 'string') throw new Error('the metadata names no jwks_uri')
  const keysAt = new URL(metadata.jwks_uri)
  // What came over TLS may not lead to where there is none, not even to this machine.
  if (at.protocol === 'https:' && keysAt.protocol !== 'https:') throw new Error('keys are fetched by https')
  return keysAt
}

async function get(url: URL, headers: Record<string, string>, signal: AbortSignal): Promise<Response> {
  // Refused here, because fetch would put the whole address into the message of its error.
  if (url.username !== '' || url.password !== '') throw new Error('the address holds credentials')
  await checkAddress(url, signal)
  return await fetch(url, {
    headers: { accept: 'application/json', ...headers },
    // A redirect would let the answer of one host choose another.
    redirect: 'manual',
    signal
  })
}

const LOOPBACK = /^(localhost|127(?:\.\d{1,3}){3}|\[::1\])$/

const isForbidden = inNetworks([
  '169.254.0.0/16',
  '0.0.0.0/8',
  'fe80::/10',
  '::',
  '100.100.100.200',
  '192.0.0.192',
  'fd00:ec2::254',
  'fd20:ce::254'
])

/** Keys come over TLS, or from this very machine; never from the addresses where clouds keep their credentials. */
async function checkAddress(url: URL, signal: AbortSignal): Promise<void> {
  if (LOOPBACK.test(url.hostname)) return
  if (url.protocol !== 'https:') throw new Error('keys are fetched by https')
  const found = await unlessAborted(lookup(url.hostname.replace(/^\[|\]$/g, ''), { all: true }), signal)
  for (const { address } of found) {
    if (isForbidden(address)) throw new Error('the address is not allowed')
  }
}

/** The resolver takes no signal, and may take longer than a load may. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted()
  const aborted = Promise.withResolvers<never>()
  const abort = () => aborted.reject(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  try {
    return await Promise.race([work, aborted.promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

async function readJson(response: Response): Promise<unknown> {
  if (response.status !== 200) {
    await response.body?.cancel()
    throw new Error(`status ${response.status}`)
  }
  const text = new ByteCollector()
  for await (const piece of response.body ?? []) {
    // Leaving the loop cancels the rest.
    if (text.length + piece.length > MAX_BYTES) throw new Error('the answer is too long')
    text.add(piece)
  }
  return JSON.parse(text.take().toString('utf8'))
}

/** Within bounds: a publisher may neither be hammered nor freeze its keys. */
function maxAgeOf(response: Response): Ms | null {
  const match = /(?:^|[\s,])max-age=(\d{1,9})(?:$|[\s,])/i.exec(response.headers.get('cache-control') ?? '')
  return match === null ? null : Math.max(MIN_MAX_AGE_MS, Math.min(MAX_MAX_AGE_MS, Number(match[1]) * 1000))
}
