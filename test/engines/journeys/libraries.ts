import assert from 'node:assert/strict'
import { freedAfter, type Journey, type World } from '../journey.ts'
import type { Asked, Library, Outcome, Told } from '../libraries.ts'
import type { Vllm } from '../vllm.ts'

/** How a library is asked in these sentences. */
export type Ask = (asked: Omit<Asked, 'origin' | 'token'> & { token?: string }) => Promise<Outcome>

const MODEL = 'tiny'
const messages = [{ role: 'user', content: 'Hello?' }]
const CHAT = { call: 'chat.completions.create', args: { model: MODEL, messages, max_tokens: 5, temperature: 0 } }
const COMPLETION = {
  call: 'completions.create',
  args: { model: MODEL, prompt: 'Once', max_tokens: 5, temperature: 0 }
}
const RESPONSE = {
  call: 'responses.create',
  args: { model: MODEL, input: 'Hello?', max_output_tokens: 5, temperature: 0 }
}
/** Anthropic's newest libraries do not know a temperature any more; the API does. */
const MESSAGE = {
  call: 'messages.create',
  args: { model: MODEL, messages, max_tokens: 5 },
  extra: { temperature: 0 }
}
/** The token with which the tiny model ends an answer. */
const END = 2
/** What nothing random can make longer or shorter. */
const EXACT = { extra: { ignore_eos: true } }

/** Events of a hundred tokens, at least: an engine that is behind puts several tokens into one. */
const MANY = 10

/** A schema with one value, so that an engine that makes up its tokens still calls the tool rightly. */
const PLACE = {
  type: 'object',
  properties: { city: { type: 'string', enum: ['Paris'] } },
  required: ['city'],
  additionalProperties: false
}

/** Sentences of a library that is used as its manual says, before an engine that makes text. */
export function libraryJourneys(world: World<Vllm>, library: Library): readonly Journey[] {
  const ask: Ask = async asked =>
    await library.call({ origin: world.gate.origin, token: asked.token ?? (await world.gate.sign()), ...asked })
  const own = library.name === 'openai' ? openaiJourneys(world, ask) : anthropicJourneys(world, ask)
  return [...own, ...refusals(world, library, ask)].map(journey => ({
    ...journey,
    sentence: `${library.title}: ${journey.sentence}`
  }))
}

function openaiJourneys(world: World<Vllm>, ask: Ask): readonly Journey[] {
  return [
    {
      sentence: 'models are listed, one is retrieved, and one that is not there is not found',
      async run() {
        const { data } = answered(await ask({ call: 'models.list', args: [] }))
        assert.deepEqual(
          data.map(({ id }: { id: string }) => id),
          [MODEL]
        )
        assert.equal(answered(await ask({ call: 'models.retrieve', args: [MODEL] })).id, MODEL)
        const error = raised(await ask({ call: 'models.retrieve', args: ['unknown'] }))
        assert.equal(error.name, 'NotFoundError')
      }
    },
    {
      sentence: 'a chat is answered, and the request id that the library shows is the one of the audit log',
      async run() {
        const outcome = await ask({ ...CHAT, ...EXACT })
        const { choices, usage } = answered(outcome)
        assert.equal(choices[0].finish_reason, 'length')
        assert.equal(usage.completion_tokens, 5)
        const audit = await world.gate.auditOf(outcome.requestId ?? 'none')
        assert.equal(audit['gen_ai.operation.name'], 'chat')
      }
    },
    {
      sentence: 'a streamed chat comes event by event, with its usage at the end when asked, and without when not',
      async run() {
        const args = { ...CHAT.args, max_tokens: 100, stream: true }
        const asked = { ...CHAT, ...EXACT, as: 'events' } as const
        const chunks = answered(await ask({ ...asked, args: { ...args, stream_options: { include_usage: true } } }))
        assert.ok(chunks.length >= MANY, `${chunks.length} chunks`)
        assert.equal(chunks.at(-1).usage.completion_tokens, 100)
        const bare = answered(await ask({ ...asked, args }))
        for (const { usage } of bare) assert.ok(usage === undefined || usage === null)
      }
    },
    {
      sentence: 'its stream helpers put a chat and a response together',
      async run() {
        // An answer that was cut off is an error to one of them: this one ends by itself, after a hundred tokens.
        const args = { ...CHAT.args, max_tokens: 150, logit_bias: { [END]: 100 } }
        const chat = await ask({ call: 'chat.completions.stream', args, extra: { min_tokens: 100 }, as: 'final' })
        assert.equal(answered(chat).choices[0].finish_reason, 'stop')
        assert.equal(answered(chat).choices[0].message.role, 'assistant')
        const asked = { ...RESPONSE.args, max_output_tokens: 100 }
        const response = await ask({ call: 'responses.stream', args: asked, as: 'final' })
        assert.equal(answered(response).usage.output_tokens, 100)
        for (const { events = 0 } of [chat, response]) assert.ok(events >= MANY, `${events} events`)
      }
    },
    {
      sentence: 'a completion and a response are answered, streamed and not',
      async run() {
        assert.equal(answered(await ask(COMPLETION)).usage.completion_tokens, 5)
        assert.equal(answered(await ask(RESPONSE)).usage.output_tokens, 5)
        for (const { call, args } of [COMPLETION, RESPONSE]) {
          const events = answered(await ask({ call, args: { ...args, stream: true }, as: 'events' }))
          assert.ok(events.length > 0)
        }
      }
    },
    {
      sentence: 'a tool of the request is called as its schema says, streamed and not',
      async run() {
        const tools = [{ type: 'function', function: { name: 'weather', parameters: PLACE } }]
        const tool_choice = { type: 'function', function: { name: 'weather' } }
        const asked = { ...CHAT, args: { ...CHAT.args, max_tokens: 100, tools, tool_choice } }
        const [call] = answered(await ask(asked)).choices[0].message.tool_calls
        assert.deepEqual([call.function.name, JSON.parse(call.function.arguments)], ['weather', { city: 'Paris' }])
        const events = answered(await ask({ ...asked, args: { ...asked.args, stream: true }, as: 'events' }))
        const pieces = events.flatMap(
          // biome-ignore lint/suspicious/noExplicitAny: a chunk of a foreign API
          ({ choices }: any) => choices[0]?.delta?.tool_calls?.[0]?.function?.arguments ?? []
        )
        assert.deepEqual(JSON.parse(pieces.join('')), { city: 'Paris' })
      }
    },
    {
      sentence: 'a caller who leaves mid-stream frees the engine within 2 s',
      async run() {
        const args = { ...CHAT.args, max_tokens: 30_000, stream: true }
        return await freedAfter(world.engine, () => {
          const left = ask({ ...CHAT, ...EXACT, args, as: 'events', leaveAfter: 1_000 })
          return async () => assert.equal(answered(await left).length, 1_000)
        })
      }
    },
    {
      sentence: 'what the gate does not allow is a BadRequestError that names the field',
      async run() {
        const error = raised(await ask({ ...CHAT, args: { ...CHAT.args, n: 100 } }))
        assert.deepEqual([error.name, error.code, error.param], ['BadRequestError', 'invalid_value', 'n'])
      }
    },
    {
      sentence: 'what the engine does not accept is a BadRequestError with the words of the engine, and the field',
      async run() {
        const error = raised(await ask({ ...CHAT, args: { ...CHAT.args, temperature: -1 } }))
        assert.deepEqual([error.name, error.param], ['BadRequestError', 'temperature'])
        assert.match(error.message, /temperature/)
      }
    }
  ]
}

function anthropicJourneys(world: World<Vllm>, ask: Ask): readonly Journey[] {
  return [
    {
      sentence: 'a message is answered, and the request id that the library shows is the one of the audit log',
      async run() {
        const outcome = await ask(MESSAGE)
        const { type, usage } = answered(outcome)
        assert.equal(type, 'message')
        assert.equal(usage.output_tokens, 5)
        const audit = await world.gate.auditOf(outcome.requestId ?? 'none')
        assert.equal(audit['gen_ai.operation.name'], 'messages')
      }
    },
    {
      sentence: 'a streamed message comes event by event, and its stream helper puts it together',
      async run() {
        const events = answered(await ask({ ...MESSAGE, args: { ...MESSAGE.args, stream: true }, as: 'events' }))
        const types = events.map(({ type }: { type: string }) => type)
        assert.deepEqual([types[0], types.at(-1)], ['message_start', 'message_stop'])
        const args = { ...MESSAGE.args, max_tokens: 100 }
        const final = await ask({ ...MESSAGE, args, call: 'messages.stream', as: 'final' })
        assert.equal(answered(final).usage.output_tokens, 100)
        assert.ok((final.events ?? 0) >= MANY, `${final.events} events`)
      }
    },
    {
      sentence: 'the tokens of a message are counted',
      async run() {
        const { input_tokens } = answered(
          await ask({ call: 'messages.count_tokens', args: { model: MODEL, messages } })
        )
        assert.ok(input_tokens > 0)
      }
    },
    {
      sentence: 'a tool of the request is called as its schema says',
      async run() {
        const tools = [{ name: 'weather', input_schema: PLACE }]
        const args = { ...MESSAGE.args, max_tokens: 100, tools, tool_choice: { type: 'tool', name: 'weather' } }
        const { content } = answered(await ask({ ...MESSAGE, args }))
        const use = content.find(({ type }: { type: string }) => type === 'tool_use')
        assert.deepEqual([use?.name, use?.input], ['weather', { city: 'Paris' }])
      }
    },
    {
      sentence: 'a caller who leaves mid-stream frees the engine within 2 s',
      async run() {
        const args = { ...MESSAGE.args, max_tokens: 30_000, stream: true }
        return await freedAfter(world.engine, () => {
          const left = ask({ ...MESSAGE, args, as: 'events', leaveAfter: 1_000 })
          return async () => assert.equal(answered(await left).length, 1_000)
        })
      }
    },
    {
      sentence: 'what the gate or the engine does not accept is a BadRequestError with its words',
      async run() {
        const stop_sequences = Array.from({ length: 20 }, (_, i) => `stop ${i}`)
        const capped = raised(await ask({ ...MESSAGE, args: { ...MESSAGE.args, stop_sequences } }))
        assert.equal(capped.name, 'BadRequestError')
        assert.match(capped.message, /invalid_request_error/)
        const wrong = raised(await ask({ ...MESSAGE, extra: { temperature: -1 } }))
        assert.equal(wrong.name, 'BadRequestError')
        assert.match(wrong.message, /temperature/)
      }
    }
  ]
}

/** The same for both: each refusal is the error that the library's manual names, with its request id, streamed or not. */
function refusals(world: World<Vllm>, { name }: Library, ask: Ask): readonly Journey[] {
  const asked = name === 'openai' ? CHAT : MESSAGE
  const check = async (wanted: { name: string; status: number; code: string }, more: Parameters<Ask>[0]) => {
    for (const isStream of [false, true]) {
      const args = isStream ? { ...more.args, stream: true } : more.args
      const error = raised(await ask({ ...more, args, ...(isStream ? { as: 'events' } : {}) }))
      assert.equal(error.name, wanted.name)
      assert.equal(error.status, wanted.status)
      if (name === 'openai') assert.equal(error.code, wanted.code)
      const audit = await world.gate.auditOf(error.request_id ?? 'none')
      assert.equal(audit['http.response.status_code'], wanted.status)
    }
  }
  return [
    {
      sentence: 'a wrong token is an AuthenticationError',
      run: async () =>
        await check({ name: 'AuthenticationError', status: 401, code: 'invalid_api_key' }, { ...asked, token: 'wrong' })
    },
    {
      sentence: 'a missing scope is a PermissionDeniedError',
      run: async () =>
        await check(
          { name: 'PermissionDeniedError', status: 403, code: 'insufficient_permissions' },
          { ...asked, token: await world.gate.sign({ scopes: [] }) }
        )
    },
    {
      sentence: 'an unknown model is a NotFoundError',
      run: async () =>
        await check(
          { name: 'NotFoundError', status: 404, code: 'model_not_found' },
          { ...asked, args: { ...asked.args, model: 'unknown' } }
        )
    }
  ]
}

/** What a library gave back, which must not be an error. */
export function answered({ value, error }: Outcome): Outcome['value'] {
  assert.equal(error, undefined, JSON.stringify(error))
  return value
}

/** The error that a library raised, which must be one. */
export function raised({ value, error }: Outcome): Told {
  if (error === undefined) assert.fail(`no error, but ${JSON.stringify(value)}`)
  return error
}
