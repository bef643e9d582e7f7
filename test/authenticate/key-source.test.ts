import { renameSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { faultOf, loaderFor } from '../../src/authenticate/key-source.ts'
import type { KeySource } from '../../src/authenticate/options.ts'
import { Turns } from '../../src/turns.ts'
import { startIssuer } from '../helpers/issuer.ts'
import { issuerOptions } from '../helpers/issuer-options.ts'

const OPEN = new AbortController().signal
const fetches = new Turns({ atOnce: 4, waiting: 4 })

const loader = (issuer: string, keys: KeySource, more: { timeoutMs?: number; signal?: AbortSignal } = {}) => {
  const load = loaderFor(issuerOptions({ issuer, keys }), { fetches, timeoutMs: more.timeoutMs ?? 5_000 })
  if (load === null) throw new Error('no loader')
  return (version: string | null) => load(version, more.signal ?? OPEN)
}
const faultFrom = async (work: Promise<unknown>): Promise<string> => {
  try {
    await work
    return 'none'
  } catch (err) {
    return faultOf(err)
  }
}

t.test('K2: a set is fetched, and a second fetch with its version costs no body', async t => {
  const issuer = await startIssuer(t)
  const load = loader(issuer.url, { kind: 'jwks_url', url: issuer.jwksUrl })
  const first = await load(null)
  t.match(first, { isChanged: true, jwks: { keys: [{ kid: issuer.key.kid }] } })
  t.match(await load(first.isChanged ? first.version : null), { isChanged: false })
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
    'https://[::ffff:169.254.169.254]/jwks',
    'https://100.100.100.200/jwks',
    'https://0.0.0.0/jwks'
  ]) {
    await t.rejects(loader('https://idp', { kind: 'jwks_url', url })(null), /https|not allowed/, url)
  }
})

t.test('K2: a source that never answers, or trickles, is given up after the time that a load may take', async t => {
  const issuer = await startIssuer(t)
  issuer.fail('hang')
  const load = loader(issuer.url, { kind: 'jwks_url', url: issuer.jwksUrl }, { timeoutMs: 50 })
  t.match(await faultFrom(load(null)), /timeout/)

  const trickle = createServer((_request, response) => {
    const clock = setInterval(() => response.write(' '), 5)
    response.on('close', () => clearInterval(clock))
  })
  await new Promise<void>(resolve => trickle.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    trickle.closeAllConnections()
    trickle.close()
  })
  const url = `http://127.0.0.1:${(trickle.address() as AddressInfo).port}/jwks`
  t.match(await faultFrom(loader('x', { kind: 'jwks_url', url }, { timeoutMs: 100 })(null)), /timeout/)
})

t.test('K2: a load ends when its owner does', async t => {
  const issuer = await startIssuer(t)
  issuer.fail('hang')
  const owner = new AbortController()
  const work = loader(issuer.url, { kind: 'jwks_url', url: issuer.jwksUrl }, { signal: owner.signal })(null)
  await issuer.waitForFetches(1)
  owner.abort()
  await t.rejects(work)
})

t.test('K2: a fault names neither the address nor what stood there', async t => {
  const issuer = await startIssuer(t)
  const url = issuer.jwksUrl.replace('//', '//user:hunter2@')
  t.equal(await faultFrom(loader(issuer.url, { kind: 'jwks_url', url })(null)), 'the address holds credentials')
  const path = `${t.testdir({ 'jwks.json': 'hunter2' })}/jwks.json`
  t.equal(await faultFrom(loader(issuer.url, { kind: 'jwks_file', path })(null)), 'not JSON')
  t.equal(await faultFrom(loader(issuer.url, { kind: 'jwks_file', path: `${path}x` })(null)), 'ENOENT')
  issuer.fail('reset')
  t.match(await faultFrom(loader(issuer.url, { kind: 'jwks_url', url: issuer.jwksUrl })(null)), /^[A-Z_]+$/)
})

t.test('K1: how long the publisher lets a set be held is passed on', async t => {
  const issuer = await startIssuer(t)
  issuer.headers['cache-control'] = 'public, max-age=120'
  t.match(await loader(issuer.url, { kind: 'jwks_url', url: issuer.jwksUrl })(null), { maxAgeMs: 120_000 })
})

t.test('K1: that is held within bounds, and counts for a set that has not changed too', async t => {
  const issuer = await startIssuer(t)
  const load = loader(issuer.url, { kind: 'jwks_url', url: issuer.jwksUrl })
  const first = await load(null)
  const version = first.isChanged ? first.version : null
  for (const [said, heldMs] of [
    ['max-age=0', 60_000],
    ['no-cache, Max-Age=90', 90_000],
    ['max-age=999999999', 3_600_000],
    ['s-maxage=90', null],
    ['max-age=soon', null]
  ] as const) {
    issuer.headers['cache-control'] = said
    t.strictSame(await load(version), { isChanged: false, maxAgeMs: heldMs }, said)
  }
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
  t.match(await load(version), { isChanged: false })
  writeFileSync(`${dir}/new.json`, '{"keys":[1]}')
  renameSync(`${dir}/new.json`, `${dir}/jwks.json`)
  t.match(await load(version), { isChanged: true, jwks: { keys: [1] } })
  await t.rejects(loader('https://idp', { kind: 'jwks_file', path: `${dir}/none.json` })(null))
})

t.test('a shared secret is never loaded from anywhere', async t => {
  const options = issuerOptions({ issuer: 'x', keys: { kind: 'hs256_secret', secret: Buffer.alloc(32) } })
  t.equal(loaderFor(options, { fetches }), null)
})
