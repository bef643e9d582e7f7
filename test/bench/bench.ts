import { fork, spawnSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { SignJWT } from 'jose'
import { NOTHING, prepareCosts } from './costs.ts'
import { type LoadResult, loadRequests, loadStreams } from './load.ts'
import { type Peer, type Scene, startFloor, startHaproxy, startNginx, startTollgate } from './peers.ts'

const HELP = `Usage: npm run bench -- [--quick] [--rounds N] [--only request|event|body|targets|costs] [--format text|json]

CPU microseconds of the gateway per authenticated call and per relayed event, beside nginx (no authentication) and
HAProxy (jwt_verify RS256 on every call) where they are installed, and a relay in bare Node (the floor), in the same run,
in turns; of Tollgate's calls with 1, 8 and 64 engines to choose from; and what each part of it costs that keeps books: usage,
audit, metrics, limits, the ledger. Trust the ratios, and differences of the same run.
`
const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '5' },
    only: { type: 'string' },
    format: { type: 'string', default: 'text' },
    help: { type: 'boolean', short: 'h' }
  }
})

type Unit =
  | 'request'
  | 'event'
  | `body ${string}`
  | `targets ${number}`
  | `cost request ${string}`
  | `cost event ${string}`

interface Row {
  readonly name: string
  readonly unit: Unit
  readonly us: number
  readonly p50Ms: number
  readonly p99Ms: number
}

/** Length of the picture in a body → calls in a round. */
const BODIES = { '64 KiB': [64 * 1024, 1_500], '1 MiB': [1024 ** 2, 150], '8 MiB': [8 * 1024 ** 2, 24] } as const
/** How many engines a pool has to choose from. */
const TARGETS = [1, 8, 64] as const
const EVENTS = 100
const STREAMS = 200
const ISSUER = 'https://bench.example'

/** Every gateway on one core, load and engine on the other, where the machine lets us. */
function pinning(): { gateway: readonly string[]; load: readonly string[] } {
  const canPin =
    spawnSync('taskset', ['-c', '0', 'true']).status === 0 && spawnSync('taskset', ['-c', '1', 'true']).status === 0
  return canPin ? { gateway: ['taskset', '-c', '0'], load: ['-c', '1'] } : { gateway: [], load: [] }
}

async function makeToken(dir: string): Promise<string> {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'bench', alg: 'RS256', use: 'sig' }
  writeFileSync(join(dir, 'jwks.json'), JSON.stringify({ keys: [jwk] }))
  writeFileSync(join(dir, 'key.pem'), publicKey.export({ type: 'spki', format: 'pem' }))
  const nowSec = Math.floor(Date.now() / 1000)
  const claims = {
    iss: ISSUER,
    aud: 'inference',
    sub: 'bench',
    team_id: 'team-a',
    scopes: ['infer:text', 'infer:multimodal'],
    iat: nowSec,
    exp: nowSec + 3000
  }
  return await new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid: 'bench', typ: 'JWT' }).sign(privateKey)
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

async function measure(peer: Peer, run: () => Promise<LoadResult>): Promise<LoadResult & { us: number }> {
  const before = peer.cpuUs()
  const result = await run()
  // The last lines of logs and closes of sockets belong to the run.
  await new Promise(settle => setTimeout(settle, 150))
  return { ...result, us: (peer.cpuUs() - before) / result.units }
}

async function checkPeer(peer: Peer, token: string): Promise<void> {
  const ask = async (bearer: string) => {
    const headers = { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' }
    const answer = await fetch(`http://127.0.0.1:${peer.port}/v1/chat/completions`, {
      method: 'POST',
      headers,
      body: '{"model":"m","messages":[]}'
    })
    await answer.text()
    return answer.status
  }
  if ((await ask(token)) !== 200) throw new Error(`${peer.name} does not pass a good token`)
  if (peer.name !== 'nginx' && peer.name !== 'floor' && (await ask(`${token.slice(0, -8)}AAAAAAAA`)) !== 401)
    throw new Error(`${peer.name} passes a bad token`)
}

async function bench(): Promise<Row[]> {
  const dir = mkdtempSync(join(tmpdir(), 'tollgate-bench-'))
  const pins = pinning()
  const rounds = values.quick ? 2 : Number(values.rounds)
  const requests = values.quick ? 4_000 : 15_000
  if (pins.load.length > 0) spawnSync('taskset', ['-p', ...pins.load, String(process.pid)])
  const engine = fork(resolve(import.meta.dirname, 'engine.ts'), {
    execArgv: [],
    env: { ...process.env, BENCH_EVENTS: String(EVENTS), BENCH_GAP_MS: '20', BENCH_PORTS: String(Math.max(...TARGETS)) }
  })
  const peers: Peer[] = []
  /** With those that choose among several engines. */
  const all: Peer[] = []
  try {
    const enginePorts = await new Promise<readonly number[]>(settle =>
      engine.once('message', ports => settle(ports as readonly number[]))
    )
    const token = await makeToken(dir)
    const scene: Scene = { dir, enginePorts, issuer: ISSUER, pin: pins.gateway }
    const isAsked = (what: string) => values.only === undefined || values.only === what
    const isCompared = ['request', 'event', 'body'].some(isAsked)
    const starts = isCompared ? [startFloor, startNginx, startHaproxy] : []
    if (values.only !== 'costs') peers.push(await startTollgate(scene))
    for (const start of starts) {
      const peer = await start(scene)
      if (peer === null) process.stderr.write(`${start.name.slice(5).toLowerCase()} is not installed: no ratio to it\n`)
      else peers.push(peer)
    }
    const balancers = new Map<number, Peer>()
    for (const count of isAsked('targets') ? TARGETS : []) {
      const peer = count === 1 ? peers[0] : await startTollgate(scene, count)
      if (peer === undefined) continue
      balancers.set(count, peer)
      if (count > 1) all.push(peer)
    }
    all.push(...peers)
    for (const peer of all) await checkPeer(peer, token)
    const seen = new Map<string, (LoadResult & { us: number })[]>()
    const note = (key: string, result: LoadResult & { us: number }) => seen.set(key, [...(seen.get(key) ?? []), result])
    for (const peer of all)
      await loadRequests(peer.port, token, { connections: 32, requests: values.quick ? 3_000 : 12_000 })
    for (let round = 1; round <= rounds; round++) {
      process.stderr.write(`round ${round} of ${rounds}\n`)
      for (const [count, peer] of balancers) {
        const run = () => loadRequests(peer.port, token, { connections: 32, requests })
        note(`tollgate targets ${count}`, await measure(peer, run))
      }
      for (const peer of peers) {
        if (isAsked('body')) {
          for (const [name, [bodyBytes, requests]] of Object.entries(BODIES)) {
            const run = () => loadRequests(peer.port, token, { connections: 4, requests, bodyBytes })
            note(`${peer.name} body ${name}`, await measure(peer, run))
          }
        }
        if (isAsked('request'))
          note(
            `${peer.name} request`,
            await measure(peer, () => loadRequests(peer.port, token, { connections: 32, requests }))
          )
        if (isAsked('event'))
          note(
            `${peer.name} event`,
            await measure(peer, () => loadStreams(peer.port, token, { streams: STREAMS, events: EVENTS }))
          )
      }
    }
    if (isAsked('costs')) await benchCosts(scene, { token, rounds, requests, note })
    return [...seen].map(([key, results]) => {
      const [name = '', ...unit] = key.split(' ')
      return {
        name,
        unit: unit.join(' ') as Unit,
        us: median(results.map(result => result.us)),
        p50Ms: median(results.map(result => result.p50Ms)),
        p99Ms: median(results.map(result => result.p99Ms))
      }
    })
  } finally {
    for (const peer of new Set([...peers, ...all])) await peer.stop()
    engine.kill()
    rmSync(dir, { recursive: true, force: true })
  }
}

/** Each part beside a gate without any, in turns, and no other gate meanwhile: differences of a few microseconds are looked for. */
async function benchCosts(
  scene: Scene,
  of: {
    token: string
    rounds: number
    requests: number
    note: (key: string, result: LoadResult & { us: number }) => void
  }
): Promise<void> {
  const { token, rounds, requests, note } = of
  const costs = await prepareCosts(scene)
  const calls = (peer: Peer) => measure(peer, () => loadRequests(peer.port, token, { connections: 32, requests }))
  const streams = (peer: Peer) =>
    measure(peer, () => loadStreams(peer.port, token, { streams: STREAMS, events: EVENTS }))
  let bare: Peer | null = null
  try {
    bare = await costs.start(NOTHING)
    await calls(bare)
    for (const part of costs.parts) {
      if (part === NOTHING) continue
      process.stderr.write(`${part}\n`)
      const gate = await costs.start(part)
      try {
        await checkPeer(gate, token)
        await calls(gate)
        await streams(gate)
        for (let round = 1; round <= rounds; round++) {
          for (const [unit, load] of [['request', calls] as const, ['event', streams] as const]) {
            const without = await load(bare)
            const result = await load(gate)
            note(`tollgate cost ${unit} ${part}`, result)
            note(`tollgate more ${unit} ${part}`, { ...result, us: result.us - without.us })
          }
        }
      } finally {
        await gate.stop()
      }
    }
  } finally {
    await bare?.stop()
    costs.stop()
  }
}

function report(rows: readonly Row[]): string {
  const lines = (['request', 'event', ...Object.keys(BODIES).map(name => `body ${name}` as const)] as const).flatMap(
    unit => {
      const of = rows.filter(row => row.unit === unit)
      if (of.length === 0) return []
      const ours = of.find(row => row.name === 'tollgate')
      const title = unit.startsWith('body')
        ? `per call with a picture of ${unit.slice(5)}`
        : unit === 'request'
          ? 'per call (32 connections, token remembered)'
          : `per event (${STREAMS} streams); p50 and p99 to the first one`
      return [
        title,
        ...of.map(row => {
          const ratio =
            ours === undefined || row === ours ? '' : `  tollgate is ${(ours.us / row.us).toFixed(2)} x ${row.name}`
          return `  ${row.name.padEnd(10)}${row.us.toFixed(1).padStart(8)} us CPU  p50 ${row.p50Ms.toFixed(2)} ms  p99 ${row.p99Ms.toFixed(2)} ms${ratio}`
        })
      ]
    }
  )
  const one = rows.find(row => row.unit === 'targets 1')
  const targets = rows.flatMap(row => {
    if (!row.unit.startsWith('targets') || one === undefined) return []
    const ratio = row === one ? '' : `  ${(row.us / one.us).toFixed(2)} x one`
    return `  ${row.unit.slice('targets '.length).padEnd(10)}${row.us.toFixed(1).padStart(8)} us CPU  p50 ${row.p50Ms.toFixed(2)} ms  p99 ${row.p99Ms.toFixed(2)} ms${ratio}`
  })
  if (targets.length > 0)
    lines.push('per call, by how many engines there are to choose from (32 connections)', ...targets)
  lines.push(...costLines(rows, 'request'), ...costLines(rows, 'event'))
  return `${lines.join('\n')}\n`
}

function costLines(rows: readonly Row[], per: 'request' | 'event'): string[] {
  const of = rows.filter(({ unit }) => unit.startsWith(`cost ${per} `))
  if (of.length === 0) return []
  return [
    `per ${per}, with a part that keeps books, and what it costs: the median difference to a gate without any, in turns`,
    ...of.map(({ unit, us, p99Ms }) => {
      const part = unit.slice(`cost ${per} `.length)
      const more = rows.find(row => row.unit === `more ${per} ${part}`)?.us ?? Number.NaN
      return `  ${part.padEnd(18)}${us.toFixed(1).padStart(8)} us CPU  p99 ${p99Ms.toFixed(2)} ms  ${more.toFixed(1)} us`
    })
  ]
}

if (values.help) {
  process.stdout.write(HELP)
} else {
  const rows = await bench()
  process.stdout.write(values.format === 'json' ? `${JSON.stringify(rows, null, 2)}\n` : report(rows))
}
