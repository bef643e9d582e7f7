import { existsSync, readFileSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { ENGINES, verdictOf } from '../engines/table.ts'
import { checkBans, checkConnections } from './check-bans.ts'
import { checkAdmin, checkOrigins, checkSuspicious } from './check-defence.ts'
import { checkBudgets, checkModelLimits, checkThresholds, servedBy, unserved } from './check-limits.ts'
import { checkLedger, checkSinks } from './check-metering.ts'
import { checkMint, checkMintKeys } from './check-mint.ts'
import { checkResolver } from './check-resolver.ts'
import { checkRevocation } from './check-revocation.ts'
import { checkStore } from './check-store.ts'
import { type Finding, nameShown, type Path, suggest } from './faults.ts'
import { error, type Loose, listOf, mapOf, warning } from './loose.ts'
import { fileWarnings } from './secret-files.ts'

const TEAM = /^[A-Za-z0-9_.:-]{1,64}$/

/**
 * Checks what no schema can say: that names which are used are defined, and that what is said fits together.
 * Takes the file as it is, faulty or not, so that all faults show at once.
 */
export function crossCheck(file: string, value: unknown): readonly Finding[] {
  const root = mapOf(value)
  return [
    ...checkAdmin(mapOf(root.admin)),
    ...checkOrigins(root),
    ...checkSuspicious(root),
    ...checkIssuers(listOf(root.issuers), file),
    ...checkModels(mapOf(root.models)),
    ...checkRoutes(root),
    ...checkTeams(root),
    ...checkConnections(root),
    ...checkBans(mapOf(mapOf(root.clients).bans)),
    ...checkBudgets(root),
    ...checkThresholds(listOf(mapOf(root.alerts).per_user)),
    ...checkFiles(root, file),
    ...checkMint(root),
    ...checkMintKeys(root),
    ...checkResolver(root),
    ...checkRevocation(root, file),
    ...checkStore(root, file),
    ...checkLedger(mapOf(root.metering), file),
    ...checkSinks(mapOf(mapOf(root.metering).sinks))
  ]
}

function checkIssuers(issuers: readonly unknown[], file: string): Finding[] {
  const seen = new Map<string, number>()
  const findings: Finding[] = []
  let secrets = 0
  for (const [index, item] of issuers.entries()) {
    const issuer = mapOf(item)
    const at = (key: string): Path => ['issuers', index, key]
    const iss = issuer.issuer
    if (typeof iss === 'string') {
      const before = seen.get(iss)
      if (before !== undefined)
        findings.push(error('E301', at('issuer'), `the issuer stands twice, also as issuers[${before}]`))
      seen.set(iss, index)
    }
    const sources = ['jwks_url', 'jwks_file', 'hs256_secret'].filter(key => issuer[key] !== undefined)
    if (sources.length > 1)
      findings.push(error('E302', at(sources[1] ?? ''), `keys come from one source, not from ${sources.join(' and ')}`))
    if (sources.length === 0 && typeof iss === 'string' && !isDiscoverable(iss)) {
      findings.push(
        error(
          'E303',
          at('issuer'),
          'keys cannot be discovered here: the issuer is no https URL',
          'give jwks_url or jwks_file'
        )
      )
    }
    if (issuer.hs256_secret !== undefined) {
      if (++secrets > 1) findings.push(error('E304', at('hs256_secret'), 'one issuer at most may have a shared secret'))
      if (issuer.algorithms !== undefined)
        findings.push(error('E304', at('algorithms'), 'with hs256_secret the algorithm is HS256 and cannot be chosen'))
      findings.push(
        warning('W403', at('hs256_secret'), 'whoever can check such a token can also make one; use keys in production')
      )
    }
    if (typeof issuer.jwks_file === 'string' && !existsSync(resolve(dirname(file), issuer.jwks_file))) {
      findings.push(
        warning('W404', at('jwks_file'), 'the file does not exist yet; the gate will not be ready before it does')
      )
    }
  }
  return findings
}

function isDiscoverable(iss: string): boolean {
  if (!URL.canParse(iss)) return false
  const { protocol, hostname } = new URL(iss)
  return protocol === 'https:' || (protocol === 'http:' && /^(localhost|127(?:\.\d{1,3}){3}|\[::1\])$/.test(hostname))
}

function checkModels(models: Loose): Finding[] {
  const findings: Finding[] = []
  const owner = new Map<string, string>()
  for (const [name, model] of Object.entries(models)) {
    for (const [index, alias] of listOf(mapOf(model).aliases).entries()) {
      if (typeof alias !== 'string') continue
      const path = ['models', name, 'aliases', index]
      const other = owner.get(alias)
      if (Object.hasOwn(models, alias)) findings.push(error('E305', path, `"${alias}" is a model of its own`))
      else if (other !== undefined) findings.push(error('E305', path, `"${alias}" is an alias of ${other} already`))
      owner.set(alias, name)
    }
  }
  return findings
}

function checkRoutes(root: Loose): Finding[] {
  const seen = new Set<string>()
  return listOf(mapOf(root.access).routes).flatMap((item, index) => {
    const { method, path, pool } = mapOf(item)
    const at: Path = ['access', 'routes', index]
    const findings = typeof pool === 'string' ? unknownPool(root, pool, [...at, 'pool']) : []
    const name = `${String(method)} ${String(path)}`
    if (seen.has(name)) findings.push(error('E306', [...at, 'path'], `${name} stands twice`))
    seen.add(name)
    return [...findings, ...checkRoute(root, { method, path, pool }, [...at, 'path'])]
  })
}

/** A route may be opened when no engine that it could reach serves it already, or must never be asked for it. */
function checkRoute(root: Loose, { method, path, pool }: Loose, at: Path): Finding[] {
  const name = `${String(method)} ${String(path)}`
  if (/^GET \/v1\/(models(\/|$)|me\/(limits|usage)$)/.test(name))
    return [error('E306', at, `${name} is answered by the gate itself`)]
  const pools = mapOf(root.pools)
  const reached = typeof pool === 'string' ? [pools[pool]] : Object.values(pools)
  const engines = new Set(reached.map(item => ENGINES.find(engine => engine === mapOf(item).engine)))
  for (const engine of engines) {
    const verdict = engine === undefined ? null : verdictOf(engine, String(method), String(path))
    switch (verdict?.is) {
      case 'served':
        return [error('E306', at, `${name} is served already, as ${verdict.operation} of ${engine}`)]
      case 'gate':
        return [error('E312', at, `${name} of ${engine} is asked by the gate alone and cannot be opened`)]
      case 'never':
        return [error('E312', at, `${name} is ${verdict.what} of ${engine} and cannot be opened`)]
    }
  }
  return []
}

function checkTeams(root: Loose): Finding[] {
  return Object.entries(mapOf(root.teams)).flatMap(([name, item]) => {
    const team = mapOf(item)
    const at: Path = ['teams', name]
    const findings: Finding[] = []
    if (name !== '*' && !TEAM.test(name)) {
      findings.push({ ...error('E307', at, 'a team is named by up to 64 letters, digits and _ . : -'), at: 'key' })
    }
    if ((team.pool === undefined) === (team.pools === undefined)) {
      findings.push({ ...error('E308', at, `teams.${name} needs either "pool" or "pools"`), at: 'key' })
    }
    if (typeof team.pool === 'string') findings.push(...unknownPool(root, team.pool, [...at, 'pool']))
    const pools = typeof team.pool === 'string' ? [team.pool] : listOf(team.pools)
    for (const [index, pool] of listOf(team.pools).entries()) {
      if (typeof pool === 'string') findings.push(...unknownPool(root, pool, [...at, 'pools', index]))
    }
    return [
      ...findings,
      ...checkTeamModels(root, pools, listOf(team.models), at),
      ...checkModelLimits(root, pools, Object.keys(mapOf(team.per_model)), at)
    ]
  })
}

function checkTeamModels(root: Loose, pools: readonly unknown[], models: readonly unknown[], at: Path): Finding[] {
  const served = servedBy(root, pools)
  if (served === null) return []
  return models.flatMap((model, index) =>
    typeof model !== 'string' || served.includes(model) ? [] : [unserved(model, served, [...at, 'models', index])]
  )
}

function unknownPool(root: Loose, name: string, path: Path): Finding[] {
  const pools = Object.keys(mapOf(root.pools))
  if (pools.includes(name)) return []
  return [
    error(
      'E310',
      path,
      `no pool is named "${name}"`,
      suggest(name, pools) ?? `defined pools: ${pools.join(', ') || 'none'}`
    )
  ]
}

function checkFiles(root: Loose, file: string): Finding[] {
  return [
    ...namedFiles(root).flatMap(([path, text]) => {
      const why = unreadable(resolve(dirname(file), text))
      return why === null ? [] : [error('E311', path, `the file ${nameShown(text)} ${why}`)]
    }),
    ...namedFiles(root).flatMap(([path, text]) => {
      const place = resolve(dirname(file), text)
      return path.at(-1) === 'key' && existsSync(place) ? fileWarnings(path, text, statSync(place)) : []
    }),
    ...eachTarget(root).flatMap(([path, { cert, key }]) =>
      (cert === undefined) === (key === undefined)
        ? []
        : [error('E313', path, 'a certificate of the gate needs both cert and key')]
    )
  ]
}

/** Why a file cannot be read, or null. */
function unreadable(path: string): string | null {
  try {
    readFileSync(path)
    return null
  } catch (err) {
    const { code } = err as NodeJS.ErrnoException
    return code === 'ENOENT' ? 'does not exist' : `cannot be read (${code})`
  }
}

/** Absolute paths of the files that a configuration names as such, its secrets apart. */
export function filesOf(value: unknown, file: string): readonly string[] {
  return namedFiles(mapOf(value)).map(([, text]) => resolve(dirname(file), text))
}

function namedFiles(root: Loose): readonly (readonly [Path, string])[] {
  const tls = mapOf(mapOf(root.server).tls)
  const store = mapOf(root.store)
  const named: (readonly [Path, unknown])[] = [
    ...['ca', 'cert', 'key'].map(name => [['store', name], store[name]] as const),
    ...['cert', 'key', 'client_ca'].map(name => [['server', 'tls', name], tls[name]] as const),
    ...eachTarget(root).flatMap(([path, target]) =>
      ['ca', 'cert', 'key'].map(name => [[...path, name], target[name]] as const)
    ),
    ...Object.entries(mapOf(mapOf(root.metering).sinks)).flatMap(([name, sink]) =>
      ['http', 'postgres'].map(kind => [['metering', 'sinks', name, kind, 'ca'], mapOf(mapOf(sink)[kind]).ca] as const)
    )
  ]
  return named.flatMap(([path, text]) => (typeof text === 'string' ? [[path, text] as const] : []))
}

function eachTarget(root: Loose): readonly (readonly [Path, Loose])[] {
  return Object.entries(mapOf(root.pools)).flatMap(([name, pool]) =>
    listOf(mapOf(pool).targets).map((target, index) => [['pools', name, 'targets', index], mapOf(target)] as const)
  )
}
