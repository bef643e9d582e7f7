import { writeFileSync } from 'node:fs'
import type { Test } from 'tap'
import { type EngineDouble, startEngine } from '../helpers/engine.ts'
import { type GateProcess, runGate } from '../helpers/gate-process.ts'
import { makeKey, signWith } from '../helpers/issuer.ts'
import { freePort } from '../helpers/ports.ts'
import { replace } from '../helpers/two-pools.ts'

/** A stretch of time, in milliseconds of `performance.now()`. */
export interface Span {
  readonly fromMs: number
  readonly toMs: number
}

/** A gate before three engines, all processes of their own, and what was done to them. */
export interface Scene {
  readonly port: number
  readonly adminUrl: string
  readonly token: string
  /** Oldest first; calls come to the last one, and to the one before while it is replaced. */
  readonly gates: GateProcess[]
  readonly engines: EngineDouble[]
  /** Of each engine that was killed: from the signal until the process was gone. */
  readonly kills: (Span & { readonly origin: string })[]
  /** Of each reload: from the signal until the gate had said that it was done. */
  readonly reloads: Span[]
  /** When new calls may not have gone to an engine, because the file did not name it. */
  readonly absences: (Span & { readonly origin: string })[]
  /** Of each gate that was replaced: from the signal until the process was gone. */
  readonly handovers: Span[]
  readonly say: (text: string) => void
  /** The audit log of all gates; the pool in its lines is that of one of `gates`. */
  readonly auditFile: string
  poolName(gate: number): string
  /** Has the file of the last gate say something else of its only pool. */
  configure(pool: string): void
  /** Starts one more gate, on the same ports. Resolves when it serves. */
  startGate(args?: readonly string[]): Promise<GateProcess>
  /** Starts an engine again on its port. */
  revive(number: number): Promise<void>
  /** Resolves when so many more streams have begun. */
  begun(count: number): Promise<void>
  /** To be told of each stream that has begun. */
  onBegun(): void
}

/** What a file says of its pool. */
export const poolOf = (targets: readonly string[], more = '') =>
  `{ engine: vllm, targets: [${targets.join(', ')}], models: [m], health: { every: 1s }${more} }`

const ISSUER = 'https://idp.example.com'
const GAP_MS = 100
const SILENCE_MS = 60_000

/** Starts three engines whose streams are so long, and a gate before them. */
export async function openScene(
  t: Pick<Test, 'teardown'>,
  init: { dir: string; streamMs: number; acceptMs: number; say: (text: string) => void }
): Promise<Scene> {
  const { dir, streamMs, acceptMs, say } = init
  const startOne = (port?: number) =>
    startEngine(t, {
      script: { kind: 'serve', events: streamMs / GAP_MS, gapMs: GAP_MS },
      ...(port === undefined ? {} : { port })
    })
  const engines = await Promise.all([startOne(), startOne(), startOne()])
  const key = makeKey()
  const [port, adminPort] = [await freePort(), await freePort()]
  const auditFile = `${dir}/audit.log`
  const gates: GateProcess[] = []
  const poolName = (gate: number) => `p${gate + 1}`
  const configFileOf = (gate: number) => `${dir}/tollgate-${gate + 1}.yaml`
  const write = (gate: number, pool: string) =>
    replace(
      configFileOf(gate),
      `server: { listen: "127.0.0.1:${port}", drain: { accept: ${acceptMs}ms } }
admin: { listen: "127.0.0.1:${adminPort}" }
issuers: [{ issuer: "${ISSUER}", jwks_file: jwks.json, audience: inference }]
pools: { ${poolName(gate)}: ${pool} }
teams: { team-a: { pool: ${poolName(gate)} } }
audit: { to: audit.log }
`
    )
  writeFileSync(`${dir}/jwks.json`, JSON.stringify({ keys: [key.publicJwk] }))
  const startGate = async (args: readonly string[] = []) => {
    write(gates.length, poolOf(engines.map(({ origin }) => `"${origin}"`)))
    const gate = runGate(t, ['serve', '--config', configFileOf(gates.length), ...args])
    gates.push(gate)
    await said(gate, 'keys are in use')
    await said(gate, 'the gate is open')
    return gate
  }
  let begun = 0
  const waiting = new Set<() => void>()
  await startGate()
  return {
    port,
    adminUrl: `http://127.0.0.1:${adminPort}`,
    token: await signWith(key, { iss: ISSUER, exp: Math.floor(Date.now() / 1000) + 3_000 }),
    gates,
    engines,
    kills: [],
    reloads: [],
    absences: [],
    handovers: [],
    say,
    auditFile,
    poolName,
    configure: pool => write(gates.length - 1, pool),
    startGate,
    revive: async number => {
      engines[number] = await startOne(engines[number]?.port)
    },
    begun: async count => {
      const enough = begun + count
      const done = new Promise<void>(resolve => {
        const look = () => {
          if (begun < enough) return
          waiting.delete(look)
          resolve()
        }
        waiting.add(look)
      })
      await within(done, `${count} more streams have not begun`)
    },
    onBegun: () => {
      begun++
      for (const look of waiting) look()
    }
  }
}

/** Waits for words of a gate, said so many times. Throws when it ends before, or does not say them within a minute. */
export async function said(gate: GateProcess, words: string | RegExp, times = 1): Promise<void> {
  const gone = gate.exit.then(code => {
    throw new Error(`a gate ended with ${code} before it had said ${words}: ${gate.stderr().slice(-2_000)}`)
  })
  await within(Promise.race([gate.says(words, times), gone]), `a gate has not said ${words}`)
}

/** Throws when something does not happen within a minute. */
export async function within<T>(done: Promise<T>, otherwise: string): Promise<T> {
  let clock: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    clock = setTimeout(() => reject(new Error(`${otherwise} within ${SILENCE_MS / 1_000} s`)), SILENCE_MS)
  })
  try {
    return await Promise.race([done, late])
  } finally {
    clearTimeout(clock)
  }
}
