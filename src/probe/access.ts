import { TABLES } from '../engines/table.ts'
import { type Facts, isRefusal, kindOf, needsNoKey, type Said } from './facts.ts'
import { type Finding, type FindingCode, finding, type Words } from './findings.ts'

/** Whether the gate gets through to a target, with its key, and whether it is what the configuration says. */
export function judgeAccess(facts: Facts): readonly Finding[] {
  const { models, pool, engine, looksLike, version, routes } = facts
  const is = (code: FindingCode, words: Words) => finding(facts, code, words)
  if (models.is === 'failed') return [is(...failure(models))]

  const findings: Finding[] = []
  const isRefused = models.is === 'status' && isRefusal(models.status)
  if (isRefused) findings.push(is(...refused(facts)))
  else if (models.is !== 'said') {
    const words = { message: `GET /v1/models ${unreadable(models)}`, hint: 'is this the port of an engine?' }
    findings.push(is('P106', words))
  } else findings.push(...keyFindings(facts).map(([code, words]) => is(code, words)))

  if (looksLike !== null && looksLike !== engine) {
    const isOpen = engine === 'openai'
    findings.push(
      isOpen
        ? is('P111', {
            message: `this looks like ${looksLike}`,
            hint: `with engine: ${looksLike} the gate would know all of its routes; leave it where a router stands before it`
          })
        : is('P110', {
            message: `this looks like ${looksLike}, not ${engine}`,
            hint: `set pools.${pool}.engine to ${looksLike}: what is served, and what is never, follows from it`
          })
    )
  }
  if (version !== null) findings.push(is('P112', { message: `version ${version}` }))
  if (!isRefused && routes.is !== 'said') {
    findings.push(
      routes.is === 'status'
        ? is('P221', {
            message: 'it shows no /openapi.json: whether it has routes that the gate does not know cannot be told'
          })
        : is('P222', { message: `GET /openapi.json ${unreadable(routes)}` })
    )
  }
  return findings
}

function failure({ why, cause }: Said<never> & { is: 'failed' }): [FindingCode, Words] {
  switch (why) {
    case 'late':
      return [
        'P102',
        { message: `no answer within ${cause}`, hint: 'is it still loading, or the wrong port? --timeout waits longer' }
      ]
    case 'tls':
      return [
        'P103',
        { message: `no trusted connection (${cause}); nothing was sent`, hint: "give the target's authority as ca" }
      ]
    case 'garbage':
      return [
        'P106',
        {
          message: `what it answers is no HTTP (${cause})`,
          hint: 'is it the port of an engine, or does it want https?'
        }
      ]
    case 'unreachable':
      return [
        'P101',
        { message: `it cannot be reached (${cause})`, hint: 'is it running, and may this machine reach it?' }
      ]
  }
}

function refused({ hasKey, pool, models }: Facts): [FindingCode, Words] {
  const status = models.is === 'status' ? models.status : 0
  return hasKey
    ? ['P104', { message: `it refuses the key of the pool (${status})`, hint: `correct pools.${pool}.api_key` }]
    : ['P105', { message: `it wants a key (${status}), and the pool has none`, hint: `set pools.${pool}.api_key` }]
}

function keyFindings(facts: Facts): [FindingCode, Words][] {
  const { pool, hasKey, keyless } = facts
  const { key } = TABLES[kindOf(facts)]
  if (needsNoKey(facts)) {
    const hint = hasKey
      ? 'start it with the key of the pool'
      : `start it with a key as a second lock, and set pools.${pool}.api_key`
    const though = hasKey ? ', though the pool has one' : ''
    return [['P201', { message: `it needs no key${though}: anybody who reaches its port can use it`, hint }]]
  }
  if (keyless !== 200) return []
  const why = key === null ? 'what its key would guard is not known' : 'its routes look at the key themselves'
  const message = `it lists its models without a key; whether it wants one elsewhere cannot be asked harmlessly: ${why}`
  return [['P202', { message }]]
}

function unreadable(said: Said<unknown>): string {
  switch (said.is) {
    case 'status':
      return said.status >= 300 && said.status < 400
        ? `is redirected (${said.status}), which the gate does not follow`
        : `is answered with ${said.status}`
    case 'large':
      return 'is answered with more than the probe reads'
    case 'failed':
      return `is not answered (${said.cause})`
    default:
      return 'is answered with something else than its JSON'
  }
}
