import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { createSecureContext } from 'node:tls'
import { readStoreServer, readStoreUrl } from '../store/options.ts'
import type { Finding, Path } from './faults.ts'
import { error, type Loose, listOf, mapOf } from './loose.ts'

/** Keys that are said by a URL, where there is one. */
const OF_URL = { database: 'redis://HOST:6379/NUMBER', tls: 'rediss://HOST:6379' } as const
const OF_TLS = ['ca', 'cert', 'key', 'server_name'] as const

/** The store can be connected to as it is written: nothing of it would be passed over in silence. */
export function checkStore(root: Loose, file: string): Finding[] {
  if (root.store === undefined) return []
  const store = mapOf(root.store)
  return [...checkPlaces(store), ...checkLogin(store), ...checkTls(store, file)]
}

const at = (...keys: (string | number)[]): Path => ['store', ...keys]

function checkPlaces(store: Loose): Finding[] {
  const { url, sentinel, cluster, nodes } = store
  const findings: Finding[] = []
  if (url === undefined && sentinel === undefined)
    findings.push({ ...error('E370', at(), 'store needs either "url" or "sentinel", and has neither'), at: 'key' })
  if (url !== undefined && sentinel !== undefined)
    findings.push(error('E370', at('sentinel'), 'the Sentinels name the store: "url" beside them is one too many'))
  // What is no URL of a Redis at all has its fault already.
  const known = typeof url === 'string' && /^(?:redis|valkey)s?:\/\//.test(url) ? readStoreUrl(url) : null
  if (known !== null && 'fault' in known)
    findings.push(error('E371', at('url'), `store.url cannot be used: ${known.fault}`, known.hint))
  const isCluster = cluster === true
  if (isCluster && sentinel !== undefined)
    findings.push(error('E372', at('cluster'), 'a cluster finds its masters itself: Sentinels have no part in it'))
  if (isCluster && known !== null && 'server' in known && known.database !== 0)
    findings.push(error('E372', at('url'), `a cluster has the database 0 alone, not ${known.database}`))
  if (!isCluster && nodes !== undefined)
    findings.push(error('E372', at('nodes'), 'only a cluster has nodes', 'cluster: true, or leave them out'))
  for (const [key, hosts] of [
    ['nodes', nodes],
    ['hosts', mapOf(sentinel).hosts]
  ] as const) {
    for (const [index, host] of listOf(hosts).entries()) {
      if (typeof host !== 'string' || !/:\d+$/.test(host) || readStoreServer(host, 1) !== null) continue
      const path = key === 'nodes' ? at(key, index) : at('sentinel', key, index)
      findings.push(error('E373', path, 'the port of this host is not one from 1 to 65535'))
    }
  }
  if (sentinel === undefined) {
    for (const [key, instead] of Object.entries(OF_URL)) {
      if (store[key] !== undefined)
        findings.push(error('E372', at(key), `store.${key} goes with sentinel; store.url says it itself`, instead))
    }
  }
  return findings
}

function checkLogin(store: Loose): Finding[] {
  const { url, username, password, sentinel } = store
  const { username: user, password: secret } = mapOf(sentinel)
  const known = typeof url === 'string' ? readStoreUrl(url) : null
  const findings: Finding[] = []
  if (known !== null && 'login' in known && known.login !== null) {
    for (const key of ['username', 'password'] as const)
      if (store[key] !== undefined)
        findings.push(error('E374', at(key), `store.url has a user or a password already, and store.${key} is another`))
  } else if (username !== undefined && password === undefined) {
    findings.push(error('E374', at('username'), 'store.username needs store.password'))
  }
  if (user !== undefined && secret === undefined)
    findings.push(error('E374', at('sentinel', 'username'), 'store.sentinel.username needs store.sentinel.password'))
  return findings
}

function checkTls(store: Loose, file: string): Finding[] {
  const { url, sentinel, tls, cert, key } = store
  const known = typeof url === 'string' ? readStoreUrl(url) : null
  const isTls = (known !== null && 'isTls' in known && known.isTls) || tls === true || mapOf(sentinel).tls === true
  const named = OF_TLS.filter(name => store[name] !== undefined)
  const [first] = named
  if (!isTls && first !== undefined && (known === null || 'isTls' in known)) {
    const hint = sentinel === undefined ? 'rediss:// in store.url' : 'store.tls, store.sentinel.tls'
    return [error('E375', at(first), `store.${first} has no effect: the store is spoken to without TLS`, hint)]
  }
  if ((cert === undefined) !== (key === undefined))
    return [
      error('E313', at(cert === undefined ? 'key' : 'cert'), 'a certificate of the gateway needs both cert and key')
    ]
  return (['ca', 'cert'] as const).flatMap(name => {
    const text = textOf(store[name], file)
    if (text === null) return []
    const keyText = name === 'cert' ? textOf(key, file) : null
    if (name === 'cert' && keyText === null) return []
    try {
      createSecureContext(name === 'ca' ? { ca: text } : { cert: text, key: keyText ?? '' })
      if (/-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----/.test(text)) return []
    } catch {}
    const what =
      name === 'ca'
        ? 'holds no certificate in PEM that can be read'
        : 'and store.key are no certificate and its key in PEM'
    return [error('E376', at(name), `the file of store.${name} ${what}`)]
  })
}

/** Null for a file that is not there or cannot be read: that is a fault of its own. */
function textOf(path: unknown, file: string): string | null {
  if (typeof path !== 'string') return null
  try {
    return readFileSync(resolve(dirname(file), path), 'utf8')
  } catch {
    return null
  }
}
