import { renameSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { loaderFor } from '../../src/authenticate/key-source.ts'
import type { KeySource } from '../../src/authenticate/options.ts'
import { startIssuer } from '../helpers/issuer.ts'
import { issuerOptions } from '../helpers/issuer-options.ts'

const loader = (issuer: string, keys: KeySource) => {
  const load = loaderFor(issuerOptions({ issuer, keys }))
  if (load === null) throw new Error('no loader')
  return load
}

t.test('K2: a set is fetched, and a second fetch with its version costs no body', async t => {
  const issuer = await startIssuer(t)
  const load = loader(issuer.url, { kind: 'jwks_url', url: issuer.jwksUrl })
  const first = await load(null)
  t.match(first, { isChanged: true, jwks: { keys: [{ kid: issuer.key.kid }] } })
  t.strictSame(await load(first.isChanged ? first.version : null), { isChanged: false })
})

t.test('K2: any status but 200, a redirect, what is no JSON and what is too long are failures', async t => {
  const issuer = await startIssuer(t)
  const load = loader(issuer.url, { kind: 'jwks_url', url: issuer.jwksUrl })
  for (const failure of ['status', 'redirect', 'garbage', 'huge', 'reset'] as const) {
    issuer.fail(failure)
    await t.rejects(load(null), failure)
  }
})

t.test('K2: keys come by https, or from this machine; never from link-local or metadata addresses', async t => {
  for (const url of [
    'http://192.0.2.1/jwks',
    'https://169.254.169.254/jwks',
    'https://[fe80::1]/jwks',
    'https://0.0.0.0/jwks'
  ]) {
    await t.rejects(loader('https://idp', { kind: 'jwks_url', url })(null), /https|not allowed/, url)
  }
})

t.test('K1: how long the publisher lets a set be held is passed on', async t => {
  const issuer = await startIssuer(t)
  issuer.headers['cache-control'] = 'public, max-age=120'
  t.match(await loader(issuer.url, { kind: 'jwks_url', url: issuer.jwksUrl })(null), { maxAgeMs: 120_000 })
})

t.test('K8: discovery demands that the metadata names the very issuer, and takes nothing else from it', async t => {
  const issuer = await startIssuer(t)
  t.match(await loader(issuer.url, { kind: 'discovery' })(null), { isChanged: true })
  issuer.metadata.issuer = `${issuer.url}/`
  await t.rejects(loader(issuer.url, { kind: 'discovery' })(null), /another issuer/)
  issuer.metadata.issuer = issuer.url
  issuer.metadata.jwks_uri = 'http://192.0.2.1/jwks'
  await t.rejects(loader(issuer.url, { kind: 'discovery' })(null), /https/)
  issuer.metadata.jwks_uri = 7
  await t.rejects(loader(issuer.url, { kind: 'discovery' })(null), /no jwks_uri/)
})

t.test('K9: a file is read again only when its content has changed, also by an atomic rename', async t => {
  const dir = t.testdir({ 'jwks.json': '{"keys":[]}' })
  const load = loader('https://idp', { kind: 'jwks_file', path: `${dir}/jwks.json` })
  const first = await load(null)
  const version = first.isChanged ? first.version : null
  t.strictSame(await load(version), { isChanged: false })
  writeFileSync(`${dir}/new.json`, '{"keys":[1]}')
  renameSync(`${dir}/new.json`, `${dir}/jwks.json`)
  t.match(await load(version), { isChanged: true, jwks: { keys: [1] } })
  await t.rejects(loader('https://idp', { kind: 'jwks_file', path: `${dir}/none.json` })(null))
})

t.test('a shared secret is never loaded from anywhere', async t => {
  t.equal(loaderFor(issuerOptions({ issuer: 'x', keys: { kind: 'hs256_secret', secret: Buffer.alloc(32) } })), null)
})
