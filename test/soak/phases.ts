import { poolOf, type Scene, said, within } from './scene.ts'

/** Something that happens while streams are open, and that no caller may notice but by streams of an engine that died. */
export interface Phase {
  readonly name: string
  /** Resolves when it is over. Throws when it did not happen as it should. */
  run(scene: Scene): Promise<void>
}

/** Kills each engine and starts it again, one after the other, when the one before is back at work. */
export function rollEngines(count: number): Phase {
  return {
    name: `${count} engines are killed and started again, one after the other`,
    async run({ engines, gates, kills, revive, say }) {
      for (let number = 0; number < count; number++) {
        const [engine, gate] = [engines[number], gates.at(-1)]
        if (engine === undefined || gate === undefined) throw new TypeError(`there is no engine ${number}`)
        const { origin } = engine
        const fromMs = performance.now()
        await engine.kill()
        kills.push({ origin, fromMs, toMs: performance.now() })
        // Not before it is missed: whatever is lost is lost until then.
        await said(gate, new RegExp(`"target":"${origin}".*is left out`))
        await revive(number)
        const next = engines[number]
        if (next !== undefined) await within(next.waitFor('request'), `engine ${number + 1} has not got a call`)
        say(`  engine ${number + 1} of ${count} is back at work`)
      }
    }
  }
}

const ANEW = 'the configuration was loaded anew'
const BEGIN_BETWEEN = 20

/**
 * Changes the file and tells the gate to read it again, when it has said of the one before that it was followed and streams
 * have begun under it.
 */
export function reload(times: number): Phase {
  return {
    name: `the configuration is changed and loaded again, ${times} times`,
    async run({ gates, engines, reloads, absences, adminUrl, configure, begun, say }) {
      const gate = gates.at(-1)
      if (gate === undefined) throw new TypeError('there is no gate')
      for (let time = 1; time <= times; time++) {
        const { pool, absent } = poolAt(
          time,
          engines.map(({ origin }) => origin),
          time === times
        )
        configure(pool)
        const fromMs = performance.now()
        gate.child.kill('SIGHUP')
        await said(gate, ANEW, time)
        const toMs = performance.now()
        reloads.push({ fromMs, toMs })
        await assertFollowed(adminUrl, time)
        await begun(BEGIN_BETWEEN)
        if (absent !== null) absences.push({ origin: absent, fromMs: toMs, toMs: performance.now() })
        if (time % 10 === 0) say(`  ${time} of ${times} are done`)
      }
    }
  }
}

/** The targets in another order every time, and something else beside; the last time the pool is as it was. */
function poolAt(time: number, origins: readonly string[], isLast: boolean): { pool: string; absent: string | null } {
  if (isLast) return { pool: poolOf(origins.map(origin => `"${origin}"`)), absent: null }
  const turned = origins.map((_, number) => origins[(number + time) % origins.length] ?? '')
  const targets = turned.map(origin => `"${origin}"`)
  const [first = '', ...others] = turned
  switch (time % 5) {
    case 0:
      return { pool: poolOf(targets, ', balance: round_robin'), absent: null }
    case 1:
      return { pool: poolOf(targets.slice(1)), absent: first }
    case 2:
      return { pool: poolOf([`{ url: "${first}", weight: ${time + 1} }`, ...targets.slice(1)]), absent: null }
    case 3:
      return { pool: poolOf(targets, `, timeouts: { first_byte: ${time}s, idle: ${time}s }`), absent: null }
    default:
      return {
        pool: poolOf([`{ url: "${first}", max_inflight: 2 }`, ...others.map(origin => `"${origin}"`)], ', queue: {}'),
        absent: null
      }
  }
}

async function assertFollowed(adminUrl: string, time: number): Promise<void> {
  const answer = await fetch(`${adminUrl}/-/config`)
  const { reloads, failures, last } = (await answer.json()) as {
    reloads: number
    failures: number
    last: { ok: boolean; changes: readonly { needsRestart: boolean }[] }
  }
  const isFollowed = last.ok && last.changes.length > 0 && last.changes.every(({ needsRestart }) => !needsRestart)
  if (reloads === time && failures === 0 && isFollowed) return
  throw new Error(`reload ${time} was not followed: ${JSON.stringify({ reloads, failures, last })}`)
}

/** Starts a second gate on the ports of the first, which then has to end by itself, with its streams. */
export function replaceGate(): Phase {
  return {
    name: 'the gate is replaced by another one on the same port',
    async run({ gates, startGate, handovers, begun, say }) {
      const old = gates.at(-1)
      if (old === undefined) throw new TypeError('there is no gate')
      await startGate(['--take-over'])
      say('  the second gate is open')
      // Both of them serve for a while.
      await begun(BEGIN_BETWEEN)
      const fromMs = performance.now()
      old.child.kill('SIGTERM')
      const code = await within(old.exit, 'the first gate has not ended')
      handovers.push({ fromMs, toMs: performance.now() })
      if (code !== 0) throw new Error(`the first gate ended with ${code}: ${old.stderr().slice(-2_000)}`)
      say('  the first gate has ended with 0')
      await begun(BEGIN_BETWEEN)
    }
  }
}
