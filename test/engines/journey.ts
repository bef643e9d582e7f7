import assert from 'node:assert/strict'
import type { Ms } from '../../src/time.ts'
import { after, until } from './children.ts'
import type { Engine } from './engine.ts'
import type { Gate } from './gate.ts'
import type { Vllm } from './vllm.ts'

/** A sentence that is true, or not, of the gate before a real engine. */
export interface Journey {
  readonly sentence: string
  /** The gate does not serve this yet: told, not tried, not counted. Remove the mark to switch it on. */
  readonly pending?: true
  /** @returns figures worth reading, or nothing; throws when the sentence is not true */
  run(): Promise<string | undefined> | Promise<void>
}

/** What a journey has to do with, when it asks by hand. */
export interface Through {
  readonly gate: Gate
}

/** An engine, and the gate before it. */
export interface World<E extends Engine = Engine> extends Through {
  readonly engine: E
}

/** Sends a call through the gate; a body of null is a GET. */
export async function send(
  { gate }: Through,
  path: string,
  body: object | null,
  options: { signal?: AbortSignal; token?: string } = {}
): Promise<Response> {
  const limit = AbortSignal.timeout(60_000)
  const isForm = body instanceof FormData
  const headers = { authorization: `Bearer ${options.token ?? (await gate.sign())}` }
  return await fetch(gate.origin + path, {
    method: body === null ? 'GET' : 'POST',
    headers: isForm ? headers : { ...headers, 'content-type': 'application/json' },
    signal: options.signal === undefined ? limit : AbortSignal.any([limit, options.signal]),
    ...(body === null ? {} : { body: isForm ? body : JSON.stringify(body) })
  })
}

/** An answer read as JSON. */
export interface Answer {
  readonly status: number
  // biome-ignore lint/suspicious/noExplicitAny: the shapes of foreign APIs are what the sentences are about
  readonly json: any
}

/** Sends a call and reads the whole answer. */
export async function ask(through: Through, path: string, body: object | null, token?: string): Promise<Answer> {
  const answer = await send(through, path, body, token === undefined ? {} : { token })
  return { status: answer.status, json: await answer.json() }
}

/** Sends a call that must be answered, and gives the JSON of the answer. */
export async function asked(through: Through, path: string, body: object, token?: string): Promise<Answer['json']> {
  const { status, json } = await ask(through, path, body, token)
  assert.equal(status, 200, JSON.stringify(json))
  return json
}

/** Sends a call that the engine must refuse with 400, and gives its sentence, in the shape of the OpenAI API. */
export async function refused(through: Through, path: string, body: object, token?: string): Promise<string> {
  const { status, json } = await ask(through, path, body, token)
  assert.equal(status, 400, JSON.stringify(json))
  assert.deepEqual(Object.keys(json), ['error'])
  assert.deepEqual(Object.keys(json.error).sort(), ['code', 'message', 'param', 'type'])
  return json.error.message
}

/** The data of every event of a streamed answer. */
export async function stream(through: Through, path: string, body: object, token?: string): Promise<string[]> {
  if (body instanceof FormData) body.set('stream', 'true')
  const asked = body instanceof FormData ? body : { ...body, stream: true }
  const answer = await send(through, path, asked, token === undefined ? {} : { token })
  assert.equal(answer.status, 200)
  assert.match(answer.headers.get('content-type') ?? '', /^text\/event-stream/)
  return (await answer.text())
    .split('\n')
    .filter(line => line.startsWith('data: '))
    .map(line => line.slice('data: '.length))
}

/**
 * Begins a call that would go on for long, lets the caller leave when the engine is at work, and says how long the engine
 * went on. It must end each time; of three times it must be free within 2 s once, because others may keep the machine busy.
 *
 * @param begin begins the call and gives what makes its caller leave
 */
export async function freedAfter(engine: Vllm, begin: () => () => unknown): Promise<string> {
  const took: Ms[] = []
  while (took.length < 3 && !took.some(ms => ms < 2_000)) took.push(await freedOnce(engine, begin))
  const told = `free after ${took.map(seconds).join(', ')}`
  assert.ok(
    took.some(ms => ms < 2_000),
    told
  )
  return told
}

async function freedOnce(engine: Vllm, begin: () => () => unknown): Promise<Ms> {
  const running = async () => await engine.metric('vllm:num_requests_running')
  const made = async () => await engine.metric('vllm:generation_tokens_total')
  const before = await made()
  const leave = begin()
  await until('the engine is at work', 60_000, async () => (await running()) > 0 || (await made()) > before)
  await leave()
  const leftAtMs = performance.now()
  await until('the engine is free again', 10_000, async () => (await running()) === 0)
  const tookMs = performance.now() - leftAtMs
  const last = await made()
  await after(300)
  assert.equal(await made(), last, 'it still makes tokens')
  return tookMs
}

/** Milliseconds as people read them. */
export function seconds(ms: Ms): string {
  return `${(ms / 1000).toFixed(2)} s`
}
