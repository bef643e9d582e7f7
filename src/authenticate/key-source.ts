import { hash } from 'node:crypto'
import { lookup } from 'node:dns/promises'
import { readFile } from 'node:fs/promises'
import { BlockList } from 'node:net'
import type { Ms } from '../time.ts'
import type { IssuerOptions } from './options.ts'
import { isObject } from './strict-json.ts'

/** A key set as it was found, or the word that it has not changed. */
export type Loaded =
  | { readonly isChanged: false }
  | { readonly isChanged: true; readonly jwks: unknown; readonly version: string | null; readonly maxAgeMs: Ms | null }

/** Loads a key set; rejects with a sentence for the operator. @param version of the set that is held, or null */
export type LoadKeys = (version: string | null) => Promise<Loaded>

const TIMEOUT_MS: Ms = 5_000
const MAX_BYTES = 256 * 1024

/** The loader of an issuer's source, or null for a shared secret, which is never loaded. */
export function loaderFor({ keys, issuer }: IssuerOptions): LoadKeys | null {
  switch (keys.kind) {
    case 'jwks_url':
      return version => loadUrl(keys.url, version)
    case 'discovery':
      return async version => await loadUrl(await discover(issuer), version)
    case 'jwks_file':
      return version => loadFile(keys.path, version)
    case 'hs256_secret':
      return null
  }
}

async function loadFile(path: string, version: string | null): Promise<Loaded> {
  const bytes = await readFile(path)
  if (bytes.length > MAX_BYTES) throw new Error('the key file is too long')
  const found = hash('sha256', bytes)
  if (found === version) return { isChanged: false }
  return { isChanged: true, jwks: JSON.parse(bytes.toString('utf8')), version: found, maxAgeMs: null }
}

async function loadUrl(url: string, version: string | null): Promise<Loaded> {
  const response = await get(url, version === null ? {} : { 'if-none-match': version })
  if (response.status === 304 && version !== null) {
    await response.body?.cancel()
    return { isChanged: false }
  }
  const jwks = await readJson(response)
  return { isChanged: true, jwks, version: response.headers.get('etag'), maxAgeMs: maxAgeOf(response) }
}

/**
 * Finds the key set of an issuer by its metadata. The metadata must name the very issuer that was asked for
 * (RFC 8414 section 3.3); nothing else is taken from it.
 */
async function discover(issuer: string): Promise<string> {
  const metadata = await readJson(await get(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, {}))
  if (!isObject(metadata) || metadata.issuer !== issuer) throw new Error('the metadata names another issuer')
  if (typeof metadata.jwks_uri !== 'string') throw new Error('the metadata names no jwks_uri')
  return metadata.jwks_uri
}

async function get(text: string, headers: Record<string, string>): Promise<Response> {
  const url = new URL(text)
  await checkAddress(url)
  return await fetch(url, {
    headers: { accept: 'application/json', ...headers },
    // A redirect would let the answer of one host choose another.
    redirect: 'manual',
    signal: AbortSignal.timeout(TIMEOUT_MS)
  })
}

const LOOPBACK = /^(localhost|127(?:\.\d{1,3}){3}|\[::1\])$/

const forbidden = new BlockList()
forbidden.addSubnet('169.254.0.0', 16, 'ipv4')
forbidden.addSubnet('0.0.0.0', 8, 'ipv4')
forbidden.addSubnet('fe80::', 10, 'ipv6')
forbidden.addAddress('::', 'ipv6')
forbidden.addAddress('fd00:ec2::254', 'ipv6')

/** Keys come over TLS, or from this very machine; never from the addresses where clouds keep their credentials. */
async function checkAddress(url: URL): Promise<void> {
  if (LOOPBACK.test(url.hostname)) return
  if (url.protocol !== 'https:') throw new Error('keys are fetched by https')
  for (const { address, family } of await lookup(url.hostname.replace(/^\[|\]$/g, ''), { all: true })) {
    if (forbidden.check(address, family === 6 ? 'ipv6' : 'ipv4')) throw new Error('the address is not allowed')
  }
}

async function readJson(response: Response): Promise<unknown> {
  if (response.status !== 200) {
    await response.body?.cancel()
    throw new Error(`status ${response.status}`)
  }
  const pieces: Uint8Array[] = []
  let bytes = 0
  for await (const piece of response.body ?? []) {
    bytes += piece.length
    // Leaving the loop cancels the rest.
    if (bytes > MAX_BYTES) throw new Error('the answer is too long')
    pieces.push(piece)
  }
  return JSON.parse(Buffer.concat(pieces).toString('utf8'))
}

function maxAgeOf(response: Response): Ms | null {
  const match = /(?:^|[\s,])max-age=(\d{1,9})(?:$|[\s,])/i.exec(response.headers.get('cache-control') ?? '')
  return match === null ? null : Number(match[1]) * 1000
}
