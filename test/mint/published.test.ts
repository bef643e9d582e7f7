import t from 'tap'
import { makeKey, publicPart } from '../../src/mint/key-file.ts'
import { isKnown, metadataPath, publishedDocuments } from '../../src/mint/published.ts'

t.test('the metadata of an issuer with a path stands between its host and its path', async t => {
  t.equal(metadataPath('https://gate.example.com'), '/.well-known/oauth-authorization-server')
  t.equal(metadataPath('https://gate.example.com/'), '/.well-known/oauth-authorization-server')
  t.equal(metadataPath('https://gate.example.com/a/b/'), '/.well-known/oauth-authorization-server/a/b')
})

t.test('the metadata names the issuer as it is, and the token endpoint only where there is one', async t => {
  const ring = { publicJwks: { keys: [] } }
  const of = { issuer: 'https://gate.example.com/a', ring, grants: ['client_credentials'] }
  const read = (hasTokenEndpoint: boolean) =>
    JSON.parse(publishedDocuments({ ...of, hasTokenEndpoint })[1]?.read().text ?? '')
  t.strictSame(read(true), {
    issuer: 'https://gate.example.com/a',
    jwks_uri: 'https://gate.example.com/.well-known/jwks.json',
    response_types_supported: [],
    grant_types_supported: ['client_credentials'],
    token_endpoint: 'https://gate.example.com/token',
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post']
  })
  t.notOk('token_endpoint' in read(false))
})

t.test('the set has another tag when, and only when, it is another one', async t => {
  let publicJwks = { keys: [publicPart(makeKey('ES256'))] }
  const ring = {
    get publicJwks() {
      return publicJwks
    }
  }
  const [keys] = publishedDocuments({ issuer: 'https://g', ring, hasTokenEndpoint: false, grants: [] })
  const first = keys?.read()
  t.equal(keys?.read(), first)
  publicJwks = { keys: [publicPart(makeKey('RS256'))] }
  t.not(keys?.read().etag, first?.etag)
})

t.test('a tag is known again alone, in a list, weak, or as anything', async t => {
  for (const header of ['"a"', '"b", "a"', 'W/"a"', '*']) t.equal(isKnown('"a"', header), true, header)
  for (const header of [undefined, '', '"b"', 'a']) t.equal(isKnown('"a"', header), false, String(header))
})
