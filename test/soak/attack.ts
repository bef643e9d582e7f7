import type { ChildProcess } from 'node:child_process'
import { parseArgs } from 'node:util'
import {
  type AttackScene,
  DRAIN_MS,
  figuresOf,
  honestFigures,
  openAttackScene,
  startAttack,
  startHonest
} from './attack-scene.ts'
import { ATTACKS, type Attack, type AttackFigures, FORGED } from './attackers.ts'

const HELP = `Usage: npm run attack -- [--only NAME] [--listener plain|tls] [--format text|json] [--warm N] [--seconds N] [--rest N]

50 honest callers call and log in while others attack from other addresses, one attack after the other. No honest call may be
refused, their p99 stays within 3 times that of the quiet run before, the memory of the gate is within 20 % of what it was when
the attack has been over for a minute, and SIGTERM under a second attack, on a gate of its own, ends the process within
drain.timeout + 2 s. The gate has a CPU of its own; callers, engines and attackers share another one, where attackers run
while nobody else wants it. Exit code 1 when a bound is missed.

  --only NAME       one attack alone, may be given more than once: ${ATTACKS.join(', ')}
  --listener KIND   plain or tls; both unless given
  --format FORMAT   text (default) or json
  --warm N          how long honest callers call before the first attack, until the memory of the gate is settled (90)
  --seconds N       how long the quiet run and the attack last (20; longer until there are enough
                    attempts, as of 100 000 forged tokens)
  --rest N          how long after the attack the memory is looked at, in seconds (60)
`

/** What an attack has done, and whether each bound held. */
interface Result {
  readonly attack: Attack
  readonly listener: 'plain' | 'tls'
  /** Connections, or requests that have ended, whichever are more. */
  readonly attempts: number
  /** How attempts were answered: by status; `closed` and `none` are requests without an answer. */
  readonly answers: Readonly<Record<string, number>>
  readonly quietP99Ms: number
  readonly p99Ms: number
  readonly calls: number
  readonly refused: Readonly<Record<string, number>>
  readonly rssBeforeMb: number
  readonly rssPeakMb: number
  readonly rssAfterMb: number
  /** Null when the process did not end within a minute. */
  readonly endedAfterMs: number | null
  readonly missed: readonly string[]
}

const MB = 1024 ** 2
/** How many attempts there are at least: connections, or requests. */
const LEAST: Readonly<Record<Attack, number>> = {
  handshakes: 1_000,
  chunks: 500,
  idle: 5_000,
  forged: FORGED,
  logins: 500,
  poison: 100,
  pipelined: 20
}
/** How much longer that may take. */
const LONGER_MS = 180_000
/** How long a second attack goes on before SIGTERM. */
const BEFORE_END_MS = 4_000
const pause = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))
/** A p99 of a few milliseconds moves by as many with the machine. */
const FLOOR_MS = 25

/** Attacks a gate that has honest callers. */
async function run(
  attack: Attack,
  scene: AttackScene,
  honest: ChildProcess,
  { seconds, restSec }: { seconds: number; restSec: number }
): Promise<Result> {
  const { port, isTls, attackToken: token } = scene
  await honestFigures(honest)
  await pause(seconds * 1_000)
  const quiet = await honestFigures(honest)
  const before = scene.rss()

  const attackers = startAttack({ attack, port, isTls, token })
  let peak = before
  // Longer where there have not been enough attempts yet.
  const endMs = performance.now() + seconds * 1_000
  const lastMs = endMs + LONGER_MS
  let figures = await figuresOf<AttackFigures>(attackers)
  while (
    performance.now() < endMs ||
    (Math.max(figures.connections, figures.done) < LEAST[attack] && performance.now() < lastMs)
  ) {
    await pause(250)
    peak = Math.max(peak, scene.rss())
    figures = await figuresOf<AttackFigures>(attackers)
  }
  const { connections, done, answers } = figures
  const under = await honestFigures(honest)
  attackers.disconnect()
  await pause(restSec * 1_000)
  const after = scene.rss()
  const calm = await honestFigures(honest)

  const end = await endUnder(attack, isTls)
  const refused = { ...under.refused }
  for (const [what, count] of Object.entries(calm.refused)) refused[what] = (refused[what] ?? 0) + count
  const missed = [
    ...(under.p99Ms <= 3 * Math.max(quiet.p99Ms, FLOOR_MS) ? [] : ['p99']),
    ...(Math.max(connections, done) >= LEAST[attack] ? [] : ['attempts']),
    ...(Object.keys(refused).length === 0 && under.calls > 0 ? [] : ['refused']),
    ...(after <= 1.2 * before ? [] : ['memory']),
    ...(end !== null && end.tookMs <= DRAIN_MS + 2_000 && end.exit === '0' ? [] : ['end'])
  ]
  return {
    attack,
    listener: isTls ? 'tls' : 'plain',
    attempts: Math.max(connections, done),
    answers,
    quietP99Ms: Math.round(quiet.p99Ms),
    p99Ms: Math.round(under.p99Ms),
    calls: under.calls,
    refused,
    rssBeforeMb: Math.round(before / MB),
    rssPeakMb: Math.round(peak / MB),
    rssAfterMb: Math.round(after / MB),
    endedAfterMs: end === null ? null : Math.round(end.tookMs),
    missed
  }
}

/** How a gate that is attacked ends after SIGTERM. */
async function endUnder(attack: Attack, isTls: boolean): ReturnType<AttackScene['stop']> {
  const scene = await openAttackScene(isTls)
  const attackers = startAttack({ attack, port: scene.port, isTls, token: scene.attackToken })
  try {
    await pause(BEFORE_END_MS)
    return await scene.stop()
  } finally {
    attackers.disconnect()
    scene.close()
  }
}

const listOf = (counts: Readonly<Record<string, number>>) =>
  Object.entries(counts)
    .map(([what, count]) => `${what}: ${count}`)
    .join(', ') || 'none'

function lineOf(result: Result): string {
  const refused = listOf(result.refused)
  return [
    result.attack.padEnd(10),
    result.listener.padEnd(5),
    `${result.attempts} attempts (${listOf(result.answers)})`.padEnd(40),
    `p99 ${result.quietP99Ms} -> ${result.p99Ms} ms`.padEnd(20),
    `${result.calls} calls, refused ${refused}`.padEnd(28),
    `RSS ${result.rssBeforeMb} -> ${result.rssPeakMb} -> ${result.rssAfterMb} MB`.padEnd(26),
    result.endedAfterMs === null ? 'did not end' : `ended after ${result.endedAfterMs} ms`,
    result.missed.length === 0 ? 'ok' : `MISSED: ${result.missed.join(', ')}`
  ].join('  ')
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', multiple: true },
      listener: { type: 'string' },
      format: { type: 'string', default: 'text' },
      warm: { type: 'string', default: '90' },
      seconds: { type: 'string', default: '20' },
      rest: { type: 'string', default: '60' },
      help: { type: 'boolean', short: 'h' }
    }
  })
  if (values.help) {
    process.stdout.write(HELP)
    return 0
  }
  const { listener, format } = values
  const only: readonly string[] = values.only ?? ATTACKS
  const [warmSec, seconds, restSec] = [Number(values.warm), Number(values.seconds), Number(values.rest)]
  const isUsage =
    only.every(name => (ATTACKS as readonly string[]).includes(name)) &&
    (listener === undefined || listener === 'plain' || listener === 'tls') &&
    (format === 'text' || format === 'json') &&
    seconds > 0 &&
    restSec >= 0 &&
    warmSec >= 0
  if (!isUsage) {
    process.stderr.write(HELP)
    return 2
  }
  const results: Result[] = []
  for (const isTls of [false, true]) {
    if (listener !== undefined && isTls !== (listener === 'tls')) continue
    const scene = await openAttackScene(isTls)
    const honest = startHonest({ port: scene.port, isTls, tokens: scene.honestTokens })
    try {
      await pause(warmSec * 1_000)
      for (const attack of ATTACKS.filter(name => only.includes(name))) {
        const result = await run(attack, scene, honest, { seconds, restSec })
        results.push(result)
        if (format === 'text') process.stdout.write(`${lineOf(result)}\n`)
      }
    } catch (err) {
      process.stderr.write(`${scene.log()}\n`)
      throw err
    } finally {
      honest.disconnect()
      scene.close()
    }
  }
  if (format === 'json') process.stdout.write(`${JSON.stringify(results, null, 2)}\n`)
  return results.every(({ missed }) => missed.length === 0) ? 0 : 1
}

process.exitCode = await main()
