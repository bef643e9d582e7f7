import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Engine } from '../../src/engines/table.ts'

/** How counting engines are started. */
export interface CountingOptions {
  /** One of each, in one process. */
  readonly engines: readonly Engine[]
  readonly startMs: number
  /** Between two tokens of an answer. */
  readonly stepMs: number
}

/** What an engine has counted of calls with one mark. */
export interface Made {
  input: number
  output: number
  calls: number
}

const options = JSON.parse(process.env.COUNTING ?? '{}') as CountingOptions
const made = new Map<string, Made>()
/** Texts of the answers: a token each, five bytes on average. */
const WORDS = ['one ', 'thing ', 'leads ', 'to ', 'the ', 'next ', 'until ', 'all ', 'is ', 'said ']

type Fields = Readonly<Record<string, unknown>>

/** All text of a prompt, as the engine's own template joins it. */
function promptOf(fields: Fields): string {
  const { messages, prompt, input, text, system, instructions } = fields
  const texts = (value: unknown): string[] => {
    if (typeof value === 'string') return [value]
    if (Array.isArray(value)) return value.flatMap(texts)
    if (typeof value !== 'object' || value === null) return []
    const { content, text } = value as Fields
    return [...texts(content), ...texts(text)]
  }
  return [system, instructions, messages, prompt, input, text].flatMap(texts).join('\n')
}

/** A token for each four bytes and a half, and what a template writes around a conversation. */
function promptTokens(path: string, fields: Fields): number {
  const around = path.includes('completions') && fields.messages === undefined ? 1 : 12
  return around + Math.ceil(Buffer.byteLength(promptOf(fields)) / 4.5)
}

interface Generation {
  readonly input: number
  readonly max: number
  readonly answers: number
  readonly of: Made
}

/** One token of every answer after another, as long as somebody wants them. */
async function generate(
  response: ServerResponse,
  { max, answers, of, input }: Generation,
  init: { readonly notices: boolean; readonly onToken: (word: string, index: number, count: number) => void }
): Promise<number | null> {
  const isLeft = () => init.notices && response.destroyed
  await sleep(options.startMs)
  if (isLeft()) return null
  of.input += input
  const beganMs = performance.now()
  for (let count = 1; count <= max; count++) {
    for (let index = 0; index < answers; index++) {
      of.output++
      init.onToken(WORDS[count % WORDS.length] ?? '', index, count)
    }
    const dueMs = beganMs + count * options.stepMs - performance.now()
    if (dueMs > 0) await sleep(dueMs)
    if (isLeft()) return null
  }
  return max
}

const sleep = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))

/** Everything that one dialect says: events before, for each token and behind, and the answer in one piece. */
interface Dialect {
  begin(): string
  token(word: string, index: number, count: number): string
  end(output: number): string
  whole(text: string, output: number): unknown
}

const event = (data: unknown, name?: string) =>
  `${name === undefined ? '' : `event: ${name}\n`}data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`

function chunks(engine: Engine, fields: Fields, { input, answers }: Generation, isChat: boolean): Dialect {
  const asked = (fields.stream_options ?? {}) as Fields
  const isSwift = engine === 'swift'
  const isFinal = asked.include_usage === true && !isSwift
  const isContinuous = isSwift || (asked.continuous_usage_stats === true && (engine === 'vllm' || engine === 'sglang'))
  const usageOf = (output: number) => ({
    prompt_tokens: input,
    completion_tokens: output,
    total_tokens: input + output
  })
  const base = { id: 'c', object: 'chunk', created: 1, model: 'm' }
  return {
    begin: () => (isChat ? event({ ...base, choices: [{ index: 0, delta: { role: 'assistant', content: '' } }] }) : ''),
    token: (word, index, count) =>
      event({
        ...base,
        choices: [{ index, ...(isChat ? { delta: { content: word } } : { text: word }), finish_reason: null }],
        ...(isContinuous ? { usage: usageOf(isSwift ? count * answers : count) } : {})
      }),
    end: output => `${isFinal ? event({ ...base, choices: [], usage: usageOf(output) }) : ''}${event('[DONE]')}`,
    whole: (text, output) => ({
      ...base,
      choices: Array.from({ length: answers }, (_, index) => ({
        index,
        ...(isChat ? { message: { role: 'assistant', content: text } } : { text }),
        finish_reason: 'length'
      })),
      usage: usageOf(output)
    })
  }
}

function responses({ input }: Generation): Dialect {
  const usageOf = (output: number) => ({ input_tokens: input, output_tokens: output, total_tokens: input + output })
  const named = (type: string, more: object) => event({ type, ...more }, type)
  const item = (text: string) => ({ type: 'message', role: 'assistant', content: [{ type: 'output_text', text }] })
  let said = ''
  return {
    begin: () => named('response.created', { response: { id: 'r', status: 'in_progress', usage: null } }),
    token: word => {
      said += word
      return named('response.output_text.delta', { item_id: 'i', delta: word })
    },
    end: output => named('response.completed', { response: { id: 'r', output: [item(said)], usage: usageOf(output) } }),
    whole: (text, output) => ({ id: 'r', object: 'response', output: [item(text)], usage: usageOf(output) })
  }
}

function messages({ input }: Generation): Dialect {
  const named = (type: string, more: object) => event({ type, ...more }, type)
  return {
    begin: () =>
      named('message_start', { message: { id: 'm', usage: { input_tokens: input, output_tokens: 0 } } }) +
      named('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }),
    token: word => named('content_block_delta', { index: 0, delta: { type: 'text_delta', text: word } }),
    end: output =>
      named('message_delta', { delta: { stop_reason: 'max_tokens' }, usage: { output_tokens: output } }) +
      named('message_stop', {}),
    whole: (text, output) => ({
      id: 'm',
      type: 'message',
      content: [{ type: 'text', text }],
      usage: { input_tokens: input, output_tokens: output }
    })
  }
}

function native({ input }: Generation): Dialect {
  const meta = (output: number) => ({ meta_info: { prompt_tokens: input, completion_tokens: output } })
  return {
    begin: () => '',
    token: (word, _index, count) => event({ text: word, ...meta(count) }),
    end: () => event('[DONE]'),
    whole: (text, output) => ({ text, ...meta(output) })
  }
}

function dialectOf(engine: Engine, path: string, fields: Fields, of: Generation): Dialect {
  if (path === '/v1/responses') return responses(of)
  if (path === '/v1/messages') return messages(of)
  if (path === '/generate') return native(of)
  return chunks(engine, fields, of, path === '/v1/chat/completions')
}

async function answer(engine: Engine, path: string, fields: Fields, response: ServerResponse): Promise<void> {
  // The mark of a call stands before everything in its prompt.
  const mark = /^\W*(\S+)/.exec(promptOf(fields))?.[1] ?? ''
  const of = made.get(mark) ?? { input: 0, output: 0, calls: 0 }
  made.set(mark, of)
  of.calls++
  const params = (fields.sampling_params ?? fields) as Fields
  const max = Number(
    params.max_tokens ?? params.max_completion_tokens ?? params.max_output_tokens ?? params.max_new_tokens ?? 16
  )
  const generation = { input: promptTokens(path, fields), max, answers: Number(fields.n ?? 1), of }
  const dialect = dialectOf(engine, path, fields, generation)
  if (fields.stream === true) {
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
    if (engine !== 'sglang') response.flushHeaders()
    let isFirst = true
    const count = await generate(response, generation, {
      notices: true,
      onToken(word, index, count) {
        response.write((isFirst ? dialect.begin() : '') + dialect.token(word, index, count))
        isFirst = false
      }
    })
    if (count !== null) response.end(dialect.end(count * generation.answers))
    return
  }
  let text = ''
  const count = await generate(response, generation, {
    notices: engine !== 'swift',
    onToken(word, index) {
      if (index === 0) text += word
    }
  })
  if (count !== null && !response.destroyed) {
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(JSON.stringify(dialect.whole(text, count * generation.answers)))
  }
}

let working = 0
const listen = (engine: Engine) => {
  const server = createServer((request: IncomingMessage, response) => {
    const pieces: Buffer[] = []
    request.on('data', piece => pieces.push(piece))
    request.once('end', () => {
      if (request.method !== 'POST') {
        response.end('{}')
        return
      }
      working++
      const fields = JSON.parse(Buffer.concat(pieces).toString())
      void answer(engine, request.url ?? '', fields, response).finally(() => working--)
    })
  })
  return new Promise<[Engine, number]>(resolve => {
    server.listen(0, '127.0.0.1', () => resolve([engine, (server.address() as AddressInfo).port]))
  })
}
const ports = await Promise.all(options.engines.map(listen))
process.on('message', ({ id, verb }: { id: number; verb: string }) => {
  const value = verb === 'made' ? [...made] : verb === 'working' ? working : verb === 'ports' ? ports : null
  process.send?.({ id, value }, undefined, undefined, () => {})
})
process.on('disconnect', () => process.exit(0))
process.send?.({ hello: ports[0]?.[1] })
