import { readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import type { Test } from 'tap'
import { verifyLedger } from '../../src/bill/verify.ts'
import type { Ms } from '../../src/time.ts'
import { startEngine } from '../helpers/engine.ts'
import { type GateProcess, runGate } from '../helpers/gate-process.ts'
import { makeKey, signWith } from '../helpers/issuer.ts'
import { textsOf, usagesIn } from '../helpers/ledger-files.ts'
import { freePort } from '../helpers/ports.ts'

/** What has ended so long before its gate was killed is in the ledger, on a machine that is not out of breath. */
export const COMMIT_MS: Ms = 100
const ISSUER = 'https://idp.example.com'

/** A request that a caller has seen the end of. */
interface Ended {
  readonly id: string
  readonly endedAtMs: Ms
}

/** What came of it. */
export interface KillResult {
  readonly kills: number
  /** Requests whose end was seen long enough before the kill, or before a SIGTERM. */
  readonly owed: number
  /** Of those, the ones that are not in the ledger. */
  readonly missing: readonly string[]
  /** Requests that are in it more than once. */
  readonly doubled: readonly string[]
  /** Requests whose end was seen later, and how many of them are there. */
  readonly late: number
  readonly lateThere: number
  /** Usages of calls that were open when their gate was killed. */
  readonly crashed: number
  readonly usages: number
  readonly errors: readonly string[]
  readonly notes: readonly string[]
  /** Lines that a kill has torn. */
  readonly torn: number
}

/** Kills a gate again and again while callers use it, at random moments, and then looks at its ledger. */
export async function killAgain(
  t: Pick<Test, 'teardown'>,
  init: {
    dir: string
    kills: number
    lanes: number
    random: () => number
    say?: (text: string) => void
    segment?: string
    /** What ended so long before a kill is owed; `COMMIT_MS` unless given. */
    withinMs?: Ms
  }
): Promise<KillResult> {
  const { dir, kills, lanes, random, say = () => {}, segment = '64MiB', withinMs = COMMIT_MS } = init
  const engine = await startEngine(t, { script: { kind: 'serve', events: 4, gapMs: 5 } })
  const key = makeKey()
  const [port, adminPort] = [await freePort(), await freePort()]
  writeFileSync(`${dir}/jwks.json`, JSON.stringify({ keys: [key.publicJwk] }))
  writeFileSync(
    `${dir}/tollgate.yaml`,
    `server: { listen: "127.0.0.1:${port}", drain: { accept: 0s, timeout: 5s } }
admin: { listen: "127.0.0.1:${adminPort}" }
issuers: [{ issuer: "${ISSUER}", jwks_file: jwks.json, audience: inference }]
pools: { p: { engine: vllm, targets: ["${engine.origin}"], models: [m] } }
teams: { team-a: { pool: p } }
metering: { dir: ledger, instance: gw-0, segment: { size: ${segment} } }
audit: { to: audit.log }
`
  )
  const token = await signWith(key, { iss: ISSUER, exp: Math.floor(Date.now() / 1000) + 3_000 })
  const start = async (): Promise<GateProcess> => {
    const gate = runGate(t, ['serve', '--config', `${dir}/tollgate.yaml`])
    await gate.says('the gate is open')
    await gate.says('keys are in use')
    return gate
  }
  const owed = new Map<string, string>()
  const late: string[] = []
  for (let kill = 1; kill <= kills + 1; kill++) {
    const gate = await start()
    const ended: Ended[] = []
    const state = { isOver: false }
    const running = Array.from({ length: lanes }, async (_, lane) => {
      while (!state.isOver) {
        const id = await callOnce(port, token, (lane + ended.length) % 3 > 0)
        if (id !== null) ended.push({ id, endedAtMs: performance.now() })
      }
    })
    // As many as come at a time have ended, however slow the machine is, and have had the time that they need.
    while (ended.length < lanes) await new Promise(resolve => setTimeout(resolve, 5))
    await new Promise(resolve => setTimeout(resolve, 1.5 * withinMs + random() * 400))
    const isLast = kill > kills
    const killedAtMs = performance.now()
    // The last one ends as it should: with calls in flight, and new ones coming until it takes none.
    gate.child.kill(isLast ? 'SIGTERM' : 'SIGKILL')
    if (isLast) await gate.exit
    state.isOver = true
    await gate.exit
    await Promise.all(running)
    for (const { id, endedAtMs } of ended) {
      const before = `ended ${(killedAtMs - endedAtMs).toFixed(0)} ms before kill ${kill}`
      if (isLast || endedAtMs < killedAtMs - withinMs) owed.set(id, before)
      else late.push(id)
    }
    say(`${isLast ? 'SIGTERM' : `kill ${kill}`}: ${ended.length} requests had ended`)
  }
  const usages = usagesIn(`${dir}/ledger`)
  const counts = new Map<string, number>()
  for (const { data } of usages) counts.set(data.request_id, (counts.get(data.request_id) ?? 0) + 1)
  const verified = verifyLedger(`${dir}/ledger`)
  return {
    kills,
    owed: owed.size,
    missing: [...owed].flatMap(([id, before]) => (counts.has(id) ? [] : [`${id} ${before}`])),
    doubled: [...counts].filter(([, count]) => count > 1).map(([id]) => id),
    late: late.length,
    lateThere: late.filter(id => counts.has(id)).length,
    crashed: verified.crashed,
    usages: usages.length,
    errors: textsOf(verified, 'error'),
    notes: textsOf(verified, 'note').filter(note => !note.startsWith('cut_off')),
    torn: textsOf(verified, 'note').filter(note => note.startsWith('cut_off')).length
  }
}

/** Ids that the audit log has and the ledger has not. For a gate that was never killed. */
export function unwritten(dir: string): string[] {
  const written = new Set(usagesIn(`${dir}/ledger`).map(({ data }) => data.request_id))
  return readFileSync(`${dir}/audit.log`, 'utf8')
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line))
    .filter(line => line['tollgate.target'] !== null && !written.has(line['http.request.id']))
    .map(line => line['http.request.id'])
}

/** @returns the id of a call that was seen to its end, or null */
function callOnce(port: number, token: string, isStream: boolean): Promise<string | null> {
  return new Promise(resolve => {
    const body = JSON.stringify({ model: 'm', stream: isStream, messages: [{ role: 'user', content: 'x' }] })
    const call = request(
      {
        host: '127.0.0.1',
        port,
        agent: false,
        method: 'POST',
        path: '/v1/chat/completions',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'content-length': body.length }
      },
      answer => {
        answer.resume()
        answer.on('error', () => {})
        answer.once('close', () =>
          resolve(answer.complete && answer.statusCode === 200 ? String(answer.headers['x-request-id']) : null)
        )
      }
    )
    // A gate that is away is not asked in a tight loop.
    call.once('error', () => setTimeout(() => resolve(null), 20))
    call.end(body)
  })
}
