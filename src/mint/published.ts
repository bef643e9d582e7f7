import { hash } from 'node:crypto'
import type { KeyRing } from './key-ring.ts'

/** Where the public keys stand, at the root of the host. */
export const JWKS_PATH = '/.well-known/jwks.json'
const METADATA_PATH = '/.well-known/oauth-authorization-server'

/** A document that everybody may read. */
export interface Document {
  readonly path: string
  readonly type: string
  readonly read: () => { readonly text: string; readonly etag: string }
}

/**
 * What the mint tells everybody: its public keys, and its metadata by RFC 8414. There is no OpenID document, because nobody can log
 * in here as OpenID Connect has it; who looks for one is given `jwks_uri`.
 */
export function publishedDocuments(of: {
  readonly issuer: string
  readonly ring: Pick<KeyRing, 'publicJwks'>
  /** Of `/token`, when it is served. */
  readonly hasTokenEndpoint: boolean
  /** `grant_type`s that it takes. */
  readonly grants: readonly string[]
}): readonly Document[] {
  const metadata = documentOf(JSON.stringify(metadataOf(of)))
  let keys: KeyRing['publicJwks'] | null = null
  let read = documentOf('')
  return [
    {
      path: JWKS_PATH,
      type: 'application/jwk-set+json',
      read() {
        const { publicJwks } = of.ring
        if (publicJwks !== keys) {
          keys = publicJwks
          read = documentOf(JSON.stringify(publicJwks))
        }
        return read
      }
    },
    { path: metadataPath(of.issuer), type: 'application/json; charset=utf-8', read: () => metadata }
  ]
}

/** RFC 8414 section 3.1: the well-known part comes between the host and the path of the issuer. */
export function metadataPath(issuer: string): string {
  return `${METADATA_PATH}${new URL(issuer).pathname.replace(/\/$/, '')}`
}

/** Whether an `if-none-match` names a document as it is (RFC 9110 section 13.1.2). */
export function isKnown(etag: string, ifNoneMatch: string | undefined): boolean {
  if (ifNoneMatch === undefined) return false
  return ifNoneMatch.split(',').some(one => one.trim() === '*' || one.trim().replace(/^W\//, '') === etag)
}

/** RFC 8414 section 2. There is no authorization endpoint, so that there are no response types. */
function metadataOf(of: { issuer: string; hasTokenEndpoint: boolean; grants: readonly string[] }) {
  const { origin } = new URL(of.issuer)
  return {
    issuer: of.issuer,
    jwks_uri: `${origin}${JWKS_PATH}`,
    response_types_supported: [],
    grant_types_supported: of.grants,
    ...(of.hasTokenEndpoint
      ? {
          token_endpoint: `${origin}/token`,
          token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post']
        }
      : {})
  }
}

function documentOf(text: string): { readonly text: string; readonly etag: string } {
  return { text, etag: `"${hash('sha256', text, 'base64url')}"` }
}
