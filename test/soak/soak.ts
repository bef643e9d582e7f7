import { type ChildProcess, fork } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { makeKey, signWith } from '../helpers/issuer.ts'
import { freePort } from '../helpers/ports.ts'
import { abortOne, type Gate, holdStreams, mixedOne } from './callers.ts'

const HELP = `Usage: npm run soak -- [--streams N] [--aborts N] [--mixed N] [--seconds N]

Holds streams open while callers leave in every way there is and bodies of every kind come. At the end the gate has the
file descriptors, the heap and the memory that it had in the beginning; exit code 1 when it has not. What it had is taken
after a first round of a tenth, which loads and grows what is made once.

  --streams N   streams that are open at any time (1000)
  --aborts N    calls whose caller leaves (100000)
  --mixed N     calls with bodies of all kinds (5000)
  --seconds N   no longer than this for the calls (600)
`
const { values } = parseArgs({
  options: {
    streams: { type: 'string', default: '1000' },
    aborts: { type: 'string', default: '100000' },
    mixed: { type: 'string', default: '5000' },
    seconds: { type: 'string', default: '600' },
    help: { type: 'boolean', short: 'h' }
  }
})

interface Figures {
  readonly fds: number
  readonly heapMb: number
  readonly externalMb: number
  readonly rssMb: number
}

const MB = 1024 ** 2
/**
 * What may be more at the end: the heap of code that was made meanwhile, and pages that the allocator keeps from the
 * moment when most was there. Those are 40 to 70 MB, with 30,000 aborts as with 200,000.
 */
const SLACK = { fds: 2, heapMb: 6, externalMb: 6, rssMb: 100 } as const
const ISSUER = 'https://soak.example'

async function figuresOf(gate: ChildProcess): Promise<Figures> {
  const memory = await new Promise<NodeJS.MemoryUsage>(resolve => {
    gate.once('message', message => resolve(message as NodeJS.MemoryUsage))
    gate.send('memory')
  })
  return {
    fds: fdsOf(gate),
    heapMb: memory.heapUsed / MB,
    externalMb: memory.external / MB,
    rssMb: memory.rss / MB
  }
}

const fdsOf = ({ pid }: ChildProcess) => readdirSync(`/proc/${pid}/fd`).length
const pause = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))

/** Until nothing is open that was not in the beginning: idle connections to engines end after 4 s. */
async function settle(gate: ChildProcess, fds: number): Promise<void> {
  for (let second = 0; second < 20 && fdsOf(gate) > fds; second++) await pause(1_000)
  // What goes on in the background has its turn too.
  await pause(2_000)
}

async function round(gate: Gate, sizes: { streams: number; aborts: number; mixed: number }): Promise<number> {
  const endsAt = performance.now() + Number(values.seconds) * 1_000
  const state = { isOver: false, broken: 0 }
  const streams = Array.from({ length: sizes.streams }, () =>
    holdStreams(
      gate,
      () => state.isOver,
      () => state.broken++
    )
  )
  let [aborts, mixed] = [sizes.aborts, sizes.mixed]
  const statuses = new Map<number, number>()
  const aborter = async () => {
    while (aborts-- > 0 && performance.now() < endsAt) await abortOne(gate, Math.random)
  }
  const mixer = async () => {
    while (mixed-- > 0 && performance.now() < endsAt) {
      const status = await mixedOne(gate, Math.random)
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
    }
  }
  await Promise.all([...Array.from({ length: 64 }, aborter), ...Array.from({ length: 4 }, mixer)])
  if (performance.now() >= endsAt) say(`the time was over with ${Math.max(0, aborts)} aborts to go`)
  state.isOver = true
  await Promise.all(streams)
  say(`  answers to mixed bodies: ${[...statuses].map(([status, count]) => `${status}: ${count}`).join(', ')}`)
  return state.broken
}

const say = (text: string) => process.stdout.write(`${text}\n`)
const told = (name: string, { fds, heapMb, externalMb, rssMb }: Figures) =>
  say(
    `${name.padEnd(18)} ${fds} file descriptors, heap ${heapMb.toFixed(1)} MB, external ${externalMb.toFixed(1)} MB, RSS ${rssMb.toFixed(0)} MB`
  )

async function soak(): Promise<boolean> {
  const dir = mkdtempSync(join(tmpdir(), 'tollgate-soak-'))
  const engines = fork(new URL('../bench/engine.ts', import.meta.url), {
    execArgv: [],
    env: { ...process.env, BENCH_EVENTS: '200', BENCH_GAP_MS: '250', BENCH_PORTS: '3' }
  })
  const children: ChildProcess[] = [engines]
  try {
    const ports = await new Promise<readonly number[]>(resolve =>
      engines.once('message', message => resolve(message as readonly number[]))
    )
    const key = makeKey()
    const [port, adminPort] = [await freePort(), await freePort()]
    writeFileSync(`${dir}/jwks.json`, JSON.stringify({ keys: [key.publicJwk] }))
    writeFileSync(
      `${dir}/tollgate.yaml`,
      `server: { listen: "127.0.0.1:${port}", drain: { timeout: 1s } }
admin: { listen: "127.0.0.1:${adminPort}" }
issuers: [{ issuer: "${ISSUER}", jwks_file: jwks.json, audience: inference }]
pools: { p: { engine: vllm, targets: [${ports.map(port => `"http://127.0.0.1:${port}"`)}], models: [m] } }
teams: { team-a: { pool: p } }
audit: { to: audit.log }
`
    )
    const gate = fork(new URL('../../src/cli.ts', import.meta.url), ['serve', '--config', `${dir}/tollgate.yaml`], {
      execArgv: ['--expose-gc', '--import', new URL('tell.ts', import.meta.url).href],
      stdio: ['ignore', 'ignore', 'ignore', 'ipc']
    })
    children.push(gate)
    for (;;) {
      const isReady = await fetch(`http://127.0.0.1:${adminPort}/readyz`).then(
        answer => answer.ok,
        () => false
      )
      if (isReady) break
      await pause(50)
    }
    const token = await signWith(key, {
      iss: ISSUER,
      scopes: ['infer:text', 'infer:multimodal'],
      exp: Math.floor(Date.now() / 1000) + 3_000
    })
    await pause(2_000)
    const fresh = await figuresOf(gate)
    told('just started', fresh)
    const [streams, aborts, mixed] = [Number(values.streams), Number(values.aborts), Number(values.mixed)]
    await round({ port, token }, { streams, aborts: aborts / 10, mixed: mixed / 10 })
    await settle(gate, fresh.fds)
    const before = await figuresOf(gate)
    told('after a tenth', before)
    const startedAt = performance.now()
    const broken = await round({ port, token }, { streams, aborts, mixed })
    say(`  ${aborts} aborts beside ${streams} streams in ${((performance.now() - startedAt) / 1_000).toFixed(0)} s`)
    await settle(gate, before.fds)
    const after = await figuresOf(gate)
    told('after all of it', after)
    const grown = (Object.keys(SLACK) as (keyof Figures)[]).filter(name => after[name] > before[name] + SLACK[name])
    if (broken > 0) say(`${broken} streams were broken`)
    say(grown.length === 0 ? 'it ends as it began' : `grown: ${grown.join(', ')}`)
    return grown.length === 0 && broken === 0
  } finally {
    for (const child of children) child.kill('SIGKILL')
    rmSync(dir, { recursive: true, force: true })
  }
}

if (values.help) process.stdout.write(HELP)
else process.exitCode = (await soak()) ? 0 : 1
