import type { Test } from 'tap'
import type { Engine } from '../../src/engines/table.ts'
import type { UsageEvent } from '../../src/segments/format.ts'
import { startCountingEngines } from './counting-engine.ts'
import { makeFolder } from './folder.ts'
import { usagesIn } from './ledger-files.ts'
import { openGate } from './world.ts'

/** What is done. */
export interface MoneyOptions {
  /** Each with a pool, a model and teams of its own behind one gateway. Only one of them may generate natively. */
  readonly engines: readonly Engine[]
  /** For each engine. */
  readonly calls: number
  /** For all engines together. */
  readonly atOnce: number
  readonly isMetered: boolean
  readonly startMs: number
  readonly stepMs: number
  readonly maxTokens: number
  /** Of the calls of an engine. */
  readonly seedOf: (engine: Engine) => number
}

/** Tokens of one team and one class of calls, by who has counted them. Without a ledger, it has none. */
export interface MoneyRow {
  readonly engine: Engine
  readonly team: string
  /** `chat stream left`. */
  readonly class: string
  readonly made: number
  readonly limits: number
  readonly ledger: number | null
}

const TEAMS = ['red', 'green', 'blue']
const KINDS = {
  chat: '/v1/chat/completions',
  completions: '/v1/completions',
  responses: '/v1/responses',
  messages: '/v1/messages',
  generate: '/generate'
} as const
type Kind = keyof typeof KINDS

const GENERATES_NATIVELY: ReadonlySet<Engine> = new Set(['sglang', 'lmdeploy'])
const SERVES: Readonly<Record<Engine, readonly Kind[]>> = {
  vllm: ['chat', 'completions', 'responses', 'messages'],
  sglang: ['chat', 'completions', 'responses', 'messages', 'generate'],
  lmdeploy: ['chat', 'completions', 'responses', 'messages', 'generate'],
  swift: ['chat', 'completions'],
  openai: ['chat', 'completions', 'responses', 'messages']
}
const WORDS = 'the quick brown fox jumps over one lazy dog and then goes home again to rest'.split(' ')

/**
 * Makes calls of every kind of some engines, streamed or not, a third of them left at random moments, and says what was made and
 * what was charged. The same seeds make the same calls.
 */
export async function countMoney(t: Test, options: MoneyOptions): Promise<readonly MoneyRow[]> {
  const { engines: names, isMetered, startMs, stepMs } = options
  const engines = await startCountingEngines(t, { engines: names, startMs, stepMs })
  const dir = `${makeFolder(t)}/usage`
  const native = names.find(name => GENERATES_NATIVELY.has(name))
  const teams = names.flatMap(name => TEAMS.map(team => ({ name, team: `${name}-${team}` })))
  const gate = await openGate(t, '', {
    yaml: ({ issuer }) => `
issuers: [{ issuer: "${issuer}", jwks_url: "${issuer}/jwks.json", audience: inference }]
pools:
${names.map(name => `  p-${name}: { engine: ${name}, targets: ["${engines.originOf(name)}"], models: [m-${name}] }`).join('\n')}
teams:
${teams.map(({ name, team }) => `  ${team}: { pool: p-${name}, per_user: { budget: { tokens: 1G, per: month } } }`).join('\n')}
${native === undefined ? '' : `access: { routes: [{ method: POST, path: /generate, scope: "task:generate", pool: p-${native} }] }`}
${isMetered ? `metering: { dir: "${dir}" }` : ''}`
  })
  const tokens = new Map<string, Promise<string>>()
  const tokenOf = (team: string, sub: string) => {
    const key = `${team} ${sub}`
    const scopes = ['infer:text', 'infer:multimodal', 'task:generate']
    const token = tokens.get(key) ?? gate.issuer.sign({ team_id: team, sub, scopes })
    tokens.set(key, token)
    return token
  }
  const plansByEngine = names.map(name => plansOf(name, options))
  const plans = Array.from({ length: options.calls }, (_, n) => plansByEngine.flatMap(plans => plans[n] ?? [])).flat()
  const next = plans.values()
  const work = async () => {
    for (const { team, kind, sub, body, leaveMs } of next) {
      const signal = leaveMs === null ? null : AbortSignal.timeout(Math.max(1, Math.round(leaveMs)))
      const headers = {
        authorization: `Bearer ${await tokenOf(team, sub)}`,
        'content-type': 'application/json',
        'anthropic-version': '2023-06-01'
      }
      await fetch(`${gate.url}${KINDS[kind]}`, { method: 'POST', headers, body: JSON.stringify(body), signal })
        .then(async answer => {
          const text = await answer.text()
          if (answer.status !== 200) throw new TypeError(`${kind}: ${answer.status} ${text}`)
        })
        .catch(error => {
          if (error instanceof TypeError && leaveMs === null) throw error
        })
    }
  }
  await Promise.all(Array.from({ length: options.atOnce }, work))
  while ((await engines.working()) > 0) await new Promise(resolve => setTimeout(resolve, 20))
  // Lines come in the order in which calls ended: those of the others are there when the line of the last one is.
  const last = { model: `m-${names[0]}`, messages: [{ role: 'user', content: 'last' }], max_tokens: 1 }
  const answer = await gate.ask(KINDS.chat, { token: await gate.issuer.sign({ team_id: teams[0]?.team }), body: last })
  const isLast = ({ data }: UsageEvent) => data.request_id === answer.headers.get('x-request-id')
  while (isMetered && !usagesIn(dir).some(isLast)) await new Promise(resolve => setTimeout(resolve, 20))

  const made = await engines.made()
  const ledger = isMetered ? usagesIn(dir) : null
  const rows = [...tokens.keys()].map(async key => {
    const [team = '', sub = ''] = key.split(' ')
    const answer = await gate.ask('/v1/me/limits', { method: 'GET', token: await tokenOf(team, sub) })
    return { team, sub, answer: await answer.json() }
  })
  return (await Promise.all(rows)).map(({ team, sub, answer }) => {
    const of = made.get(`${team}/${sub}`)
    const lines = ledger?.filter(({ data }) => data.team === team && data.sub === sub)
    const limit = answer.limits.find((one: { resource: string }) => one.resource === 'tokens')
    const recorded = lines?.reduce((sum, { data: { usage } }) => sum + (usage.input ?? 0) + (usage.output ?? 0), 0)
    return {
      engine: (teams.find(one => one.team === team) as { name: Engine }).name,
      team,
      class: sub.replaceAll('-', ' '),
      made: (of?.input ?? 0) + (of?.output ?? 0),
      limits: limit.limit - limit.remaining,
      ledger: recorded ?? null
    }
  })
}

/** What is asked of one engine. */
function plansOf(name: Engine, { calls, startMs, stepMs, maxTokens, seedOf }: MoneyOptions) {
  const random = createRandom(seedOf(name))
  const pick = <T>(list: readonly T[]) => list[Math.floor(random() * list.length)] as T
  return Array.from({ length: calls }, () => {
    const [colour, kind, isStream, isLeft] = [pick(TEAMS), pick(SERVES[name]), random() < 0.5, random() < 1 / 3]
    const max = 5 + Math.floor(random() * (maxTokens - 5))
    const team = `${name}-${colour}`
    const sub = `${kind}-${isStream ? 'stream' : 'whole'}-${isLeft ? 'left' : 'read'}`
    const text = `${team}/${sub} ${Array.from({ length: 10 + Math.floor(random() * 120) }, () => pick(WORDS)).join(' ')}`
    const answers = kind === 'chat' || kind === 'completions' ? 1 + Math.floor(random() * 3) : 1
    const leaveMs = isLeft ? random() * (startMs + max * stepMs) : null
    return { team, kind, isStream, sub, leaveMs, body: bodyOf(kind, `m-${name}`, { text, max, answers, isStream }) }
  })
}

function bodyOf(
  kind: Kind,
  model: string,
  { text, max, answers, isStream }: { text: string; max: number; answers: number; isStream: boolean }
): object {
  const stream = isStream ? { stream: true } : {}
  const conversation = { model, messages: [{ role: 'user', content: text }], ...stream }
  switch (kind) {
    case 'chat':
      return { ...conversation, max_tokens: max, n: answers }
    case 'messages':
      return { ...conversation, max_tokens: max }
    case 'completions':
      return { model, prompt: text, max_tokens: max, n: answers, ...stream }
    case 'responses':
      return { model, input: text, max_output_tokens: max, ...stream }
    case 'generate':
      return { prompt: text, text, max_tokens: max, ...stream }
  }
}

/** Numbers from 0 to 1 that follow from a seed (mulberry32). */
export function createRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** Sums of rows by a key. */
export function sumsOf(rows: readonly MoneyRow[], key: (row: MoneyRow) => string): Map<string, MoneySum> {
  const sums = new Map<string, MoneySum>()
  for (const row of rows) {
    const sum = sums.get(key(row)) ?? { made: 0, limits: 0, ledger: 0 }
    sums.set(key(row), sum)
    sum.made += row.made
    sum.limits += row.limits
    sum.ledger += row.ledger ?? row.limits
  }
  return sums
}

/** Tokens, by who has counted them. */
export interface MoneySum {
  made: number
  limits: number
  ledger: number
}
