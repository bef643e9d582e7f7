import assert from 'node:assert/strict'
import { createRandom } from '../../helpers/money.ts'
import { after, until } from '../children.ts'
import { ask, type Journey, send, type Through } from '../journey.ts'
import type { Vllm } from '../vllm.ts'

/** What is compared: an engine that nothing else uses, behind a gateway with a ledger and one without. */
export interface CountingWorld {
  readonly engine: Vllm
  readonly gates: Readonly<Record<string, Through>>
}

const KINDS = {
  chat: '/v1/chat/completions',
  completions: '/v1/completions',
  responses: '/v1/responses',
  messages: '/v1/messages'
} as const
type Kind = keyof typeof KINDS

/** Calls that are read, for each kind, streamed or not, and each gateway: 2 016 calls in all, with those that are left. */
const READ = 56
/** Of those that are read, so many before any is left. */
const READ_ALONE = 14
/**
 * Calls that are left. Whether an engine had read a prompt when its caller left is a matter of chance: the sum of 28 calls is
 * off by up to 10 %, which is too much for streams, where 5 % are asked for.
 */
const LEFT = { stream: 112, whole: 28 }
const AT_ONCE = 3

/** Tokens, by who has counted them: of input as vLLM counts it, once for each answer. */
interface Tokens {
  readonly input: number
  readonly output: number
}

/** Calls of one kind that ended in one way, by two counts. */
interface Counted {
  readonly name: string
  readonly isTold: boolean
  readonly engine: Tokens
  readonly gate: Tokens
}

/** Mixed calls, many of them left at random moments: what was charged beside the counters of the engine. */
export function countingJourneys({ engine, gates }: CountingWorld): readonly Journey[] {
  const random = createRandom(7)
  const all: Counted[] = []
  const journeys = Object.entries(gates).flatMap(([name, through]) =>
    (Object.keys(KINDS) as Kind[]).flatMap(kind =>
      [true, false].map((isStream): Journey => {
        const what = `${kind} ${isStream ? 'in a stream' : 'in one piece'}`
        return {
          sentence: `${what}, read and left, is charged as the engine has counted it, ${name}`,
          async run() {
            const found = await countClass({ engine, through, name: `${what}, ${name}` }, { kind, isStream, random })
            all.push(...found)
            const figures = found.filter(({ name }) => name !== 'beside').map(figuresOf)
            for (const counted of found) check(counted, figures.join('; '))
            return figures.join('; ')
          }
        }
      })
    )
  )
  return [
    ...journeys,
    {
      sentence: 'all of it together is within one percent of what the engine has counted',
      async run() {
        const sum = (of: (counted: Counted) => Tokens) => ({
          input: all.reduce((total, counted) => total + of(counted).input, 0),
          output: all.reduce((total, counted) => total + of(counted).output, 0)
        })
        const whole = { name: 'all', isTold: true, engine: sum(one => one.engine), gate: sum(one => one.gate) }
        const figures = figuresOf(whole)
        assert.ok(Math.abs(off(whole.gate.input, whole.engine.input)) <= 1, figures)
        assert.ok(Math.abs(off(whole.gate.output, whole.engine.output)) <= 1, figures)
        return figures
      }
    }
  ]
}

async function countClass(
  { engine, through, name }: { engine: Vllm; through: Through; name: string },
  { kind, isStream, random }: { kind: Kind; isStream: boolean; random: () => number }
): Promise<readonly Counted[]> {
  let meanMs = 1_000
  const sub = (way: string) => (n: number) => `${name} ${way} ${n}`
  const planOf = (way: string) => ({
    way,
    n: kind === 'chat' || kind === 'completions' ? 1 + Math.floor(random() * 3) : 1,
    max: 24 + Math.floor(random() * 72),
    text: Array.from({ length: 5 + Math.floor(random() * 40) }, () => Math.floor(random() * 1e6).toString(36)).join(
      ' '
    ),
    leaveMs: way === 'left' ? random() * meanMs : null
  })
  /** @returns what the engine has counted */
  const pass = async (plans: readonly ReturnType<typeof planOf>[]): Promise<Tokens> => {
    const before = await idleCounters(engine)
    let tookMs = 0
    const next = plans.values()
    const work = async () => {
      for (const { way, n, max, text, leaveMs } of next) {
        const token = await through.gate.sign({ sub: sub(way)(n) })
        const startedAtMs = performance.now()
        const signal = leaveMs === null ? undefined : AbortSignal.timeout(Math.max(1, Math.round(leaveMs)))
        await send(through, KINDS[kind], bodyOf(kind, { n, max, text, isStream }), { token, ...(signal && { signal }) })
          .then(async answer => {
            const said = await answer.text()
            assert.equal(answer.status, 200, said)
          })
          .catch(error => {
            if (leaveMs === null) throw error
          })
        tookMs += performance.now() - startedAtMs
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, work))
    meanMs = tookMs / plans.length
    const then = await idleCounters(engine)
    return { input: then.input - before.input, output: then.output - before.output }
  }
  const madeAlone = await pass(Array.from({ length: READ_ALONE }, () => planOf('read')))
  const read = { name: 'read', isTold: true, engine: madeAlone, gate: await charged(through, sub('read')) }
  // Those that are left are in between others, as in life: an engine that has rested is slow for a while.
  const leaving = isStream ? LEFT.stream : LEFT.whole
  const order = Array.from({ length: READ - READ_ALONE + leaving }, (_, index) => (index < leaving ? 'left' : 'beside'))
    .map(way => ({ way, key: random() }))
    .sort((a, b) => a.key - b.key)
  const made = await pass(order.map(({ way }) => planOf(way)))
  // What is read to its end is charged by the engine's own usage, which the first pass has compared with its counters.
  const beside = await charged(through, sub('beside'))
  const left = {
    name: 'left',
    isTold: isStream && kind !== 'responses' && kind !== 'messages',
    engine: { input: made.input - beside.input, output: made.output - beside.output },
    gate: await charged(through, sub('left'))
  }
  // For the sum of all calls.
  const besides = { name: 'beside', isTold: true, engine: beside, gate: beside }
  return [read, besides, left]
}

/** What the audit log has, which must be what limits have charged. */
async function charged({ gate }: Through, sub: (n: number) => string): Promise<Tokens> {
  const sum = { input: 0, output: 0 }
  for (const n of [1, 2, 3]) {
    const lines = gate
      .auditLines()
      .filter(line => line['user.id'] === sub(n) && line['gen_ai.operation.name'] !== 'limits')
    const input = lines.reduce((total, line) => total + Number(line['gen_ai.usage.input_tokens'] ?? 0), 0)
    const output = lines.reduce((total, line) => total + Number(line['gen_ai.usage.output_tokens'] ?? 0), 0)
    sum.input += n * input
    sum.output += output
    if (lines.length === 0) continue
    const { json } = await ask({ gate }, '/v1/me/limits', null, await gate.sign({ sub: sub(n) }))
    const limit = json.limits.find((one: { resource: string }) => one.resource === 'tokens')
    assert.ok(
      Math.abs(limit.limit - limit.remaining - input - output) <= 1,
      `limits of ${sub(n)}: ${JSON.stringify(limit)}`
    )
  }
  return sum
}

/** Waits until an engine has nothing to do, and what it has counted is all of it. @returns its counters then */
async function idleCounters(engine: Vllm): Promise<Tokens> {
  let [last, since] = [await counters(engine), performance.now()]
  await until('the engine has nothing to do', 30_000, async () => {
    await after(100)
    const [running, waiting, now] = [
      await engine.metric('vllm:num_requests_running'),
      await engine.metric('vllm:num_requests_waiting'),
      await counters(engine)
    ]
    if (running + waiting > 0 || now.input !== last.input || now.output !== last.output) since = performance.now()
    last = now
    // It adds up what it has made once a step, and a line is written when a call has ended.
    return performance.now() - since > STILL_MS
  })
  return last
}

const STILL_MS = 1_000

async function counters(engine: Vllm): Promise<Tokens> {
  return {
    input: await engine.metric('vllm:prompt_tokens_total'),
    output: await engine.metric('vllm:generation_tokens_total')
  }
}

function check({ isTold, engine, gate }: Counted, figures: string): void {
  const [input, output] = [off(gate.input, engine.input), off(gate.output, engine.output)]
  const most = isTold ? 5 : 25
  // A few dozen tokens are within the noise of when somebody left.
  assert.ok(Math.abs(output) <= most || Math.abs(gate.output - engine.output) <= SMALL, figures)
  assert.ok(Math.abs(input) <= most || Math.abs(gate.input - engine.input) <= SMALL, figures)
  assert.ok(gate.input > 0 && gate.output > 0, figures)
}

const SMALL = 20

function off(charged: number, made: number): number {
  return made === 0 ? 0 : (charged / made - 1) * 100
}

function figuresOf({ name, engine, gate }: Counted): string {
  const one = (what: 'input' | 'output') => `${engine[what]} ${off(gate[what], engine[what]).toFixed(1)} %`
  return `${name}: in ${one('input')}, out ${one('output')}`
}

function bodyOf(
  kind: Kind,
  { n, max, text, isStream }: { n: number; max: number; text: string; isStream: boolean }
): object {
  const base = { model: 'tiny', ...(isStream ? { stream: true } : {}) }
  const messages = [{ role: 'user', content: text }]
  switch (kind) {
    case 'chat':
      return { ...base, messages, n, max_tokens: max, ignore_eos: true }
    case 'completions':
      return { ...base, prompt: text, n, max_tokens: max, ignore_eos: true }
    case 'responses':
      return { ...base, input: text, max_output_tokens: max }
    case 'messages':
      return { ...base, messages, max_tokens: max }
  }
}
