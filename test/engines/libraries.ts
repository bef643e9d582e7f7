import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import Anthropic from '@anthropic-ai/sdk'
import { VERSION as ANTHROPIC_VERSION } from '@anthropic-ai/sdk/version'
import OpenAI from 'openai'
import { VERSION as OPENAI_VERSION } from 'openai/version'
import type { Tools } from './engine.ts'
import { makeVenv, type Venv } from './python.ts'

/** The releases of the Python libraries that are tried; those for Node stand in package.json. */
const PYTHON_VERSIONS = { openai: '3.57.0', anthropic: '2.13.0' } as const
const DRIVE = fileURLToPath(new URL('clients/drive.py', import.meta.url))

/** A call as people who use a library write it: what is not given is as the library has it. */
export interface Asked {
  /** The gate. */
  readonly origin: string
  readonly token: string
  /** `messages.count_tokens`: the same in all languages, but for their spelling. */
  readonly call: string
  /** Named arguments, or a list of others. */
  readonly args: Readonly<Record<string, unknown>> | readonly unknown[]
  /** Members of the body that the library does not know. */
  readonly extra?: Readonly<Record<string, unknown>>
  /** The answer, all events of a stream, or what the library's stream helper makes of them. */
  readonly as?: 'value' | 'events' | 'final'
  /** Leaves the stream after so many events. */
  readonly leaveAfter?: number
  readonly retries?: number
}

/** What a library made of the answer. */
export interface Outcome {
  // biome-ignore lint/suspicious/noExplicitAny: the shapes of foreign libraries are what the sentences are about
  readonly value?: any
  readonly requestId?: string | null
  /** How many events its stream helper has told of. */
  readonly events?: number
  readonly error?: Told
}

/** An error that a library raised. */
export interface Told {
  readonly name: string
  /** Its class, and those above it. */
  readonly classes: readonly string[]
  readonly status: number | null
  readonly message: string
  readonly code: string | null
  readonly param: string | null
  readonly type: string | null
  readonly request_id: string | null
}

/** A client library of a language. */
export interface Library {
  readonly name: 'openai' | 'anthropic'
  /** Its name, its version and its language. */
  readonly title: string
  call(asked: Asked): Promise<Outcome>
}

/** The libraries for Node, as package.json has them. */
export function nodeLibraries(): readonly Library[] {
  return [
    {
      name: 'openai',
      title: `openai ${OPENAI_VERSION} for Node`,
      call: async asked =>
        await runInNode(new OpenAI({ baseURL: `${asked.origin}/v1`, apiKey: asked.token, ...retriesOf(asked) }), asked)
    },
    {
      name: 'anthropic',
      title: `@anthropic-ai/sdk ${ANTHROPIC_VERSION} for Node`,
      call: async asked =>
        await runInNode(new Anthropic({ baseURL: asked.origin, apiKey: asked.token, ...retriesOf(asked) }), asked)
    }
  ]
}

function retriesOf({ retries }: Asked): { maxRetries?: number } {
  return retries === undefined ? {} : { maxRetries: retries }
}

const FINAL: Readonly<Record<string, string>> = {
  'chat.completions.stream': 'finalChatCompletion',
  'responses.stream': 'finalResponse',
  'messages.stream': 'finalMessage'
}

async function runInNode(client: object, asked: Asked): Promise<Outcome> {
  const { call, args, extra, leaveAfter } = asked
  const names = call.split('.').map(name => name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase()))
  const owner = names.slice(0, -1).reduce((object, name) => Reflect.get(object, name) as object, client)
  const method = Reflect.get(owner, names.at(-1) ?? '') as (...args: unknown[]) => unknown
  try {
    const started = Reflect.apply(method, owner, Array.isArray(args) ? args : [{ ...args, ...extra }])
    if (asked.as === 'final') {
      const stream = started as AsyncIterable<unknown> & Record<string, () => Promise<unknown>>
      let events = 0
      for await (const _event of stream) events++
      return { value: await stream[FINAL[call] ?? '']?.(), events }
    }
    const result = (await started) as object
    if (asked.as === 'events') {
      const stream = result as AsyncIterable<unknown>
      const events: unknown[] = []
      for await (const event of stream) {
        events.push(event)
        if (events.length === leaveAfter) break
      }
      return { value: events }
    }
    return { value: result, requestId: (Reflect.get(result, '_request_id') as string | undefined) ?? null }
  } catch (error) {
    return { error: toldByNode(error) }
  }
}

function toldByNode(error: unknown): Told {
  if (!(error instanceof Error)) throw error
  const classes: string[] = []
  for (let of = Object.getPrototypeOf(error); of !== null; of = Object.getPrototypeOf(of))
    classes.push(of.constructor.name)
  const get = <T>(name: string): T | null => (Reflect.get(error, name) as T | undefined) ?? null
  return {
    name: error.constructor.name,
    classes,
    status: get('status'),
    message: error.message,
    code: get('code'),
    param: get('param'),
    type: get('type'),
    request_id: get('requestID')
  }
}

/** The newest libraries for Python, in a folder of their own. */
export async function installPythonLibraries(tools: Tools): Promise<Venv> {
  const { openai, anthropic } = PYTHON_VERSIONS
  return await makeVenv(tools, {
    name: `clients-${openai}-${anthropic}`,
    gigabytes: 1,
    fill: async pip => await pip(`openai==${openai}`, `anthropic==${anthropic}`)
  })
}

/** One process of Python with both libraries; it answers a line with a line, and ends with the run. */
export function pythonLibraries({ children, dir }: Tools, venv: Venv): readonly Library[] {
  const child = children.start(venv.python, [DRIVE], { logFile: join(dir, 'python-clients.log'), talks: true })
  const { stdin, stdout } = child.process
  if (stdin === null || stdout === null) throw new Error('no pipes')
  const lines = createInterface({ input: stdout })[Symbol.asyncIterator]()
  let last: Promise<unknown> = Promise.resolve()
  const ask = async (line: object): Promise<Outcome> => {
    stdin.write(`${JSON.stringify(line)}\n`)
    const { value, done } = await lines.next()
    if (done) throw new Error(`Python has ended\n${child.said()}`)
    return JSON.parse(value) as Outcome
  }
  return (['openai', 'anthropic'] as const).map(name => ({
    name,
    title: `${name} ${PYTHON_VERSIONS[name]} for Python`,
    call: async ({ origin, ...asked }) => {
      const turn = last.then(() => ask({ ...asked, library: name, url: name === 'openai' ? `${origin}/v1` : origin }))
      last = turn.catch(() => {})
      return await turn
    }
  }))
}
