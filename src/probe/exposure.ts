import { DESCRIPTION } from '../engines/operations.ts'
import { isGuarded, rowsOf, TABLES, type Verdict, verdictOf } from '../engines/table.ts'
import { SAFE_METHOD } from './ask.ts'
import { concrete, type Facts, kindOf, type NotAsked, needsNoKey } from './facts.ts'
import { type Finding, type FindingCode, finding, type Words } from './findings.ts'

const ONLY_THE_GATE = 'let nothing but the gate reach its port'

const WHY_NOT: Readonly<Record<NotAsked, string | null>> = {
  // These two have findings of their own.
  unreachable: null,
  key: null,
  unrecognised: 'it is not recognised as what the configuration says',
  'unknown-server': 'which program it is cannot be known, and one of its routes might take any method',
  'any-method': `GET /v1/models does not refuse ${SAFE_METHOD}, so other routes might not either`,
  'any-path': 'it answers paths that nobody has'
}

interface Open {
  readonly route: string
  readonly verdict: Verdict
}

/** What a target's own port opens to whom, and what its table does not know. */
export function judgeExposure(facts: Facts): readonly Finding[] {
  const { engine, sweep, looksLike, hasKey } = facts
  const is = (code: FindingCode, words: Words) => finding(facts, code, words)
  const findings: Finding[] = []
  // Of another engine, nearly every route would be unknown: that it is another has been said.
  if (looksLike === null || looksLike === engine || engine === 'openai') {
    for (const route of unknownRoutes(facts)) {
      findings.push(
        is('P220', {
          message: `the table of ${engine} does not know this route; the gate denies it`,
          hint: 'open it with access.routes only if you know what it does',
          routes: [route]
        })
      )
    }
  }
  const { key } = TABLES[engine]
  if (key !== null && !key.guardsWebSockets && hasKey && !needsNoKey(facts)) {
    const sockets = rowsOf(engine).filter(({ verdict }) => verdict.is === 'closed' && verdict.operation === 'realtime')
    findings.push(
      is('P215', {
        message: 'by what is known its key does not guard WebSockets, which were not asked: that would open a session',
        hint: ONLY_THE_GATE,
        routes: sockets.map(({ route }) => route)
      })
    )
  }
  if (sweep.asked) {
    findings.push(...openFindings(facts, openRoutes(facts)).map(([code, words]) => is(code, words)))
    if (sweep.stoppedAt !== null) findings.push(is(...stopped(sweep.stoppedAt)))
  } else {
    const why = WHY_NOT[sweep.why]
    if (why !== null) findings.push(...notAsked(facts, why).map(([code, words]) => is(code, words)))
  }
  return findings
}

function unknownRoutes({ engine, routes }: Facts): readonly string[] {
  return routes.is === 'said' ? routes.value.filter(route => verdict(engine, route) === null) : []
}

/** The rows of every path that the router was reached for without a key. */
function openRoutes({ engine, sweep, routes }: Facts): readonly Open[] {
  if (!sweep.asked) return []
  const documented = routes.is === 'said' ? routes.value.map(concrete) : []
  const inHandler = TABLES[engine].key?.checked === 'handler'
  const open: Open[] = []
  for (const [path, status] of sweep.answers) {
    const isReached = status === 405 || (status >= 200 && status < 300)
    // Where the route itself looks at the key, that the router was reached tells nothing.
    if (!isReached || (inHandler && isGuarded(engine, path) === true)) continue
    const ofPath = (route: string) => route.slice(route.indexOf(' ') + 1) === path
    const said = documented.filter(ofPath)
    const rows = rowsOf(engine).filter(({ route }) => ofPath(concrete(route).replace(/\*$/, '')))
    // Which of a path's methods there are, the document knows better than the table.
    const known = rows.filter(({ route }) => said.length === 0 || said.includes(concrete(route)))
    if (known.length > 0) open.push(...known)
    else open.push(...said.flatMap(route => withVerdict(route, verdict(engine, route))))
  }
  return open
}

function withVerdict(route: string, found: Verdict | null): Open[] {
  return found === null ? [] : [{ route, verdict: found }]
}

function openFindings(facts: Facts, open: readonly Open[]): [FindingCode, Words][] {
  const isOpenToAll = needsNoKey(facts)
  const adminFlag = isOpenToAll ? (TABLES[facts.engine].key?.adminFlag ?? null) : null
  const unless = adminFlag === null ? '' : `, unless it was started with ${adminFlag}, which does not show`
  const byWhat = new Map<string, string[]>()
  for (const { route, verdict } of open) {
    if (isDangerous(verdict)) byWhat.set(verdict.what, [...(byWhat.get(verdict.what) ?? []), route])
  }
  const findings: [FindingCode, Words][] = [...byWhat].map(([what, routes]) => [
    'P210',
    { message: `open to anybody who reaches its port${unless}: ${what}`, hint: ONLY_THE_GATE, routes }
  ])
  // Where no key is needed at all, this has been said.
  if (isOpenToAll) return findings
  const usable = open.filter(({ verdict }) => verdict.is === 'served' || verdict.is === 'closed')
  if (usable.length > 0) {
    findings.push([
      'P211',
      {
        message: 'its key does not guard routes that use the engine',
        hint: ONLY_THE_GATE,
        routes: usable.map(({ route }) => route)
      }
    ])
  }
  const shown = open.filter(({ verdict }) => verdict.is === 'gate' || (verdict.is === 'never' && !isDangerous(verdict)))
  if (shown.length > 0) {
    findings.push([
      'P212',
      { message: 'its key does not guard routes that show its state', routes: shown.map(({ route }) => route) }
    ])
  }
  return findings
}

function stopped({ path, status }: { path: string; status: number | null }): [FindingCode, Words] {
  return status === null
    ? ['P216', { message: `no answer at ${path} in time; further paths were not asked without a key` }]
    : [
        'P214',
        {
          message: `${SAFE_METHOD} ${path} is answered with ${status}, so that route may take any method; further paths were not asked`,
          hint: 'which program is this?'
        }
      ]
}

/** What is known of the engine, where it could not be asked. */
function notAsked(facts: Facts, why: string): [FindingCode, Words][] {
  const { routes } = facts
  const engine = kindOf(facts)
  const isOpenToAll = needsNoKey(facts)
  const isOpen = (path: string) => isOpenToAll || isGuarded(engine, path) === false
  const rows = routes.is === 'said' ? routes.value.map(concrete) : rowsOf(engine).map(({ route }) => route)
  const open = rows.filter(route => {
    const found = verdict(engine, route)
    return found !== null && isDangerous(found) && isOpen(route.slice(route.indexOf(' ') + 1))
  })
  const findings: [FindingCode, Words][] = [['P216', { message: `its paths were not asked without a key: ${why}` }]]
  if (open.length === 0) return findings
  const message =
    routes.is === 'said'
      ? `it documents routes that by what is known of ${engine} are open to anybody who reaches its port`
      : `by what is known of ${engine}, where it has these routes they are open to anybody who reaches its port`
  return [...findings, [routes.is === 'said' ? 'P213' : 'P216', { message, hint: ONLY_THE_GATE, routes: open }]]
}

function isDangerous(verdict: Verdict): verdict is Verdict & { readonly is: 'never' } {
  return verdict.is === 'never' && verdict.what !== DESCRIPTION
}

function verdict(engine: Facts['engine'], route: string): Verdict | null {
  const [method = '', path = ''] = concrete(route).split(' ')
  return verdictOf(engine, method, path)
}
