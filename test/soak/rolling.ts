import { readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import type { Test } from 'tap'
import { type EngineDouble, startEngine } from '../helpers/engine.ts'
import { freePort, type GateProcess, runGate } from '../helpers/gate-process.ts'
import { makeKey, signWith } from '../helpers/issuer.ts'

/** A gate before three engines, all processes of their own. */
export interface Rolling {
  readonly configFile: string
  readonly gate: GateProcess
  readonly engines: EngineDouble[]
  /** Engines that were killed, and when; a phase that ends streams by itself writes it here. */
  readonly kills: { readonly origin: string; readonly atMs: number }[]
  readonly say: (text: string) => void
  /** Starts an engine again on its port. */
  revive(number: number): Promise<void>
}

/** Something that happens while streams are open, and that no caller may notice but by streams of an engine that died. */
export interface Phase {
  readonly name: string
  /** Resolves when it is over. */
  run(scene: Rolling): Promise<void>
}

/** One stream, from its request to its end. */
interface Stream {
  readonly id: string | null
  readonly startedAtMs: number
  readonly endedAtMs: number
  /** `whole`: with its last event. `told`: with an error event. Else the status of a refusal, or `cut`. */
  readonly end: 'whole' | 'told' | 'cut' | number
}

/** What came of it. */
export interface RollResult {
  readonly whole: number
  /** Streams of an engine that was killed meanwhile. */
  readonly excused: number
  /** Everything else, in words. */
  readonly lost: readonly string[]
}

const ISSUER = 'https://idp.example.com'
/** Codes of streams that their engine has ended. */
const DEATHS: readonly unknown[] = ['TOLLGATE_FORWARD_BROKEN', 'TOLLGATE_FORWARD_RESET']
/** A death is noticed a little later than it happens. */
const NOTICED_MS = 5_000

/** Kills each engine and starts it again, one after the other, when the one before is back at work. */
export function rollEngines(count: number): Phase {
  return {
    name: 'engines are killed and started again',
    async run({ engines, gate, kills, revive, say }) {
      for (let number = 0; number < count; number++) {
        const engine = engines[number]
        if (engine === undefined) continue
        kills.push({ origin: engine.origin, atMs: performance.now() })
        await engine.kill()
        // Not before it is missed: whatever is lost is lost until then.
        await gate.says(new RegExp(`"target":"${engine.origin}".*is left out`))
        await revive(number)
        await engines[number]?.waitFor('request')
        say(`engine ${number + 1} is back`)
      }
    }
  }
}

/** Rewrites the file and tells the gate to read it again. */
export function reload(times: number): Phase {
  return {
    name: 'the configuration is loaded again',
    async run({ configFile, gate, say }) {
      const text = readFileSync(configFile, 'utf8')
      for (let time = 1; time <= times; time++) {
        writeFileSync(configFile, `${text}# ${time}\n`)
        gate.child.kill('SIGHUP')
        await new Promise(resolve => setTimeout(resolve, 100))
      }
      say(`loaded ${times} times`)
    }
  }
}

/** Keeps streams open, each followed by another, while one phase after the other goes by. */
export async function roll(
  t: Pick<Test, 'teardown'>,
  init: { dir: string; streams: number; phases: readonly Phase[]; say: (text: string) => void }
): Promise<RollResult> {
  const start = (port?: number) =>
    startEngine(t, {
      script: { kind: 'serve', events: 20, gapMs: 100 },
      ...(port === undefined ? {} : { port })
    })
  const engines = await Promise.all([start(), start(), start()])
  const key = makeKey()
  const [port, adminPort] = [await freePort(), await freePort()]
  const configFile = `${init.dir}/tollgate.yaml`
  writeFileSync(`${init.dir}/jwks.json`, JSON.stringify({ keys: [key.publicJwk] }))
  writeFileSync(
    configFile,
    `server: { listen: "127.0.0.1:${port}" }
admin: { listen: "127.0.0.1:${adminPort}" }
issuers: [{ issuer: "${ISSUER}", jwks_file: jwks.json, audience: inference }]
pools: { p: { engine: vllm, targets: [${engines.map(({ origin }) => `"${origin}"`)}], models: [m], health: { every: 1s } } }
teams: { team-a: { pool: p } }
audit: { to: audit.log }
`
  )
  const gate = runGate(t, ['serve', '--config', configFile])
  await gate.says('the gate is open')
  await gate.says('keys are in use')
  const token = await signWith(key, { iss: ISSUER, exp: Math.floor(Date.now() / 1000) + 3_000 })
  const scene: Rolling = {
    configFile,
    gate,
    engines,
    kills: [],
    say: init.say,
    revive: async number => {
      engines[number] = await start(engines[number]?.port)
    }
  }

  const streams: Stream[] = []
  const state = { isOver: false, open: 0, onOpen: () => {} }
  const lane = async () => {
    while (!state.isOver) {
      const onBegun = () => {
        state.open++
        state.onOpen()
      }
      streams.push(await openStream(port, token, onBegun))
    }
  }
  const allOpen = new Promise<void>(resolve => {
    state.onOpen = () => state.open >= init.streams && resolve()
  })
  const lanes = Array.from({ length: init.streams }, lane)
  await allOpen
  for (const phase of init.phases) {
    init.say(phase.name)
    await phase.run(scene)
  }
  state.isOver = true
  await Promise.all(lanes)
  gate.child.kill('SIGTERM')
  await gate.exit
  return judge(streams, scene, `${init.dir}/audit.log`)
}

function judge(streams: readonly Stream[], { kills }: Rolling, auditFile: string): RollResult {
  const lines = readFileSync(auditFile, 'utf8').trimEnd().split('\n')
  const byId = new Map(lines.map(line => [JSON.parse(line)['http.request.id'], JSON.parse(line)]))
  const lost: string[] = []
  let [whole, excused] = [0, 0]
  for (const { id, startedAtMs, endedAtMs, end } of streams) {
    if (end === 'whole') {
      whole++
      continue
    }
    const line = byId.get(id)
    const isExcused = kills.some(
      ({ origin, atMs }) =>
        line?.['tollgate.target'] === origin && startedAtMs <= atMs + NOTICED_MS && atMs <= endedAtMs
    )
    if (isExcused && DEATHS.includes(line['tollgate.code'])) excused++
    else lost.push(`${end} ${line?.['tollgate.code']} after ${line?.['tollgate.attempts']} attempts`)
  }
  return { whole, excused, lost }
}

/** Reads one stream to its end, on a connection of its own. */
function openStream(port: number, token: string, onBegun: () => void): Promise<Stream> {
  const startedAtMs = performance.now()
  return new Promise(resolve => {
    let id: string | null = null
    let tail = ''
    const done = (end: Stream['end']) => resolve({ id, startedAtMs, endedAtMs: performance.now(), end })
    const body = '{"model":"m","stream":true,"messages":[{"role":"user","content":"x"}]}'
    const sent = request(
      {
        host: '127.0.0.1',
        port,
        agent: false,
        method: 'POST',
        path: '/v1/chat/completions',
        headers: {
          authorization: `Bearer ${token}`,
          'content-type': 'application/json',
          'content-length': body.length
        }
      },
      answer => {
        id = String(answer.headers['x-request-id'])
        const isStream = answer.statusCode === 200
        if (isStream) onBegun()
        answer.on('data', (piece: Buffer) => {
          tail = (tail + piece.toString('latin1')).slice(-400)
        })
        answer.on('error', () => {})
        answer.once('close', () => {
          if (!isStream) done(answer.statusCode ?? 0)
          else if (answer.complete && tail.endsWith('data: [DONE]\n\n')) done('whole')
          else done(answer.complete && tail.includes('data: {"error":') ? 'told' : 'cut')
        })
      }
    )
    sent.once('error', () => {
      if (id === null) done('cut')
    })
    sent.end(body)
  })
}
