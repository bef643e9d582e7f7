import assert from 'node:assert/strict'
import type { Ms } from '../../../src/time.ts'
import { after, until } from '../children.ts'
import { ENGINE_KEY } from '../engine.ts'
import { ask, freedAfter, type Journey, seconds, send, stream, type World } from '../journey.ts'
import type { Tap } from '../tap.ts'
import type { Vllm } from '../vllm.ts'

/** A vLLM that makes text, and a wire-tap between it and the calls of `team-tapped`. */
interface TextWorld extends World<Vllm> {
  readonly tap: Tap
}

const CHAT = '/v1/chat/completions'
const MESSAGES = [{ role: 'user', content: 'Hello?' }]
const MODEL = 'tiny'
/** Longer than any journey: at a thousand tokens a second it is worth half a minute. */
const ENDLESS = { model: MODEL, messages: MESSAGES, max_tokens: 30_000, ignore_eos: true }
const SHORT = { model: MODEL, messages: MESSAGES, max_tokens: 5, ignore_eos: true }

/** Calls by hand, with an engine that makes text. */
export function textJourneys(world: TextWorld): readonly Journey[] {
  return [
    {
      sentence: 'a chat is answered, with its usage',
      async run() {
        const { status, json } = await ask(world, CHAT, SHORT)
        assert.equal(status, 200)
        assert.equal(json.object, 'chat.completion')
        assert.equal(json.choices[0].finish_reason, 'length')
        assert.equal(json.usage.completion_tokens, 5)
      }
    },
    {
      sentence: 'a streamed chat comes event by event, with its usage when asked, and ends with [DONE]',
      async run() {
        const events = await stream(world, CHAT, { ...SHORT, max_tokens: 100, stream_options: { include_usage: true } })
        assert.equal(events.at(-1), '[DONE]')
        const chunks = events.slice(0, -1).map(event => JSON.parse(event))
        // An engine that is behind puts several tokens into a chunk.
        assert.ok(chunks.length >= 10, `${chunks.length} chunks`)
        for (const chunk of chunks) assert.equal(chunk.object, 'chat.completion.chunk')
        assert.deepEqual(chunks.at(-1).choices, [])
        assert.equal(chunks.at(-1).usage.completion_tokens, 100)
      }
    },
    {
      sentence: 'a long stream passes while it is made, not at its end',
      async run() {
        const leave = new AbortController()
        const answer = await send(world, CHAT, { ...ENDLESS, stream: true }, { signal: leave.signal })
        assert.equal(answer.status, 200)
        const made: number[] = []
        const before = await world.engine.metric('vllm:generation_tokens_total')
        let events = 0
        for await (const piece of answer.body ?? []) {
          events += Buffer.from(piece).toString().split('data: ').length - 1
          if (made.length === 1 && events < 300) continue
          assert.ok((await world.engine.metric('vllm:num_requests_running')) > 0, 'the engine has ended before')
          made.push((await world.engine.metric('vllm:generation_tokens_total')) - before)
          if (made.length === 2) break
        }
        leave.abort()
        await until(
          'the engine is free',
          10_000,
          async () => (await world.engine.metric('vllm:num_requests_running')) === 0
        )
        const [first = 0, later = 0] = made
        assert.ok(first < later && later < ENDLESS.max_tokens, `${first}, ${later} tokens were made`)
        return `${first} tokens were made when the first piece came, ${later} at the 300th event, of ${ENDLESS.max_tokens}`
      }
    },
    {
      sentence: 'a completion is answered, with its usage',
      async run() {
        const { status, json } = await ask(world, '/v1/completions', {
          model: MODEL,
          prompt: 'Once',
          max_tokens: 3,
          ignore_eos: true
        })
        assert.equal(status, 200)
        assert.equal(json.object, 'text_completion')
        assert.equal(json.usage.completion_tokens, 3)
      }
    },
    {
      sentence: 'a streamed completion ends with [DONE]',
      async run() {
        const events = await stream(world, '/v1/completions', {
          model: MODEL,
          prompt: 'Once',
          max_tokens: 3,
          ignore_eos: true
        })
        assert.equal(events.at(-1), '[DONE]')
        assert.equal(JSON.parse(events[0] ?? '').object, 'text_completion')
      }
    },
    {
      sentence:
        'a stream is to the byte what the engine sends to who asks for the same usage, and the gate knows what was used',
      run: () => sameBytes(world)
    },
    {
      sentence: 'the models that the gate learned are listed by name, and nothing of the disk of the engine',
      async run() {
        const { status, json } = await ask(world, '/v1/models', null)
        assert.equal(status, 200)
        assert.deepEqual(
          json.data.map(({ id }: { id: string }) => id),
          [MODEL]
        )
        assert.doesNotMatch(JSON.stringify(json), /root|parent|\//)
      }
    },
    {
      sentence: 'a caller who leaves mid-stream frees the engine within 2 s',
      run: async () =>
        await freedAfter(world.engine, () => {
          const leave = new AbortController()
          const answer = send(world, CHAT, { ...ENDLESS, stream: true }, { signal: leave.signal })
          return async () => {
            const reader = (await answer).body?.getReader()
            for (let pieces = 0; pieces < 10; pieces++) await reader?.read()
            leave.abort()
          }
        })
    },
    {
      sentence: 'a caller who leaves before the first byte frees the engine within 2 s',
      run: async () =>
        await freedAfter(world.engine, () => {
          const leave = new AbortController()
          send(world, CHAT, ENDLESS, { signal: leave.signal }).catch(() => {})
          return () => leave.abort()
        })
    },
    {
      sentence: 'a caller who leaves while the call waits in the queue of the engine leaves no trace there',
      async run() {
        const waiting = async () => await world.engine.metric('vllm:num_requests_waiting')
        const took = await freedAfter(world.engine, () => {
          const leave = new AbortController()
          // More than the engine runs at once (--max-num-seqs 8).
          for (let call = 0; call < 12; call++) send(world, CHAT, ENDLESS, { signal: leave.signal }).catch(() => {})
          return async () => {
            await until('calls are queued', 10_000, async () => (await waiting()) > 0)
            leave.abort()
          }
        })
        assert.equal(await waiting(), 0)
        return took
      }
    },
    {
      sentence: 'an unknown model is refused in the words of the OpenAI API',
      async run() {
        const { status, json } = await ask(world, CHAT, { ...SHORT, model: 'unknown' })
        assert.equal(status, 404)
        assert.equal(json.error.code, 'model_not_found')
        assert.doesNotMatch(JSON.stringify(json), /tiny/)
      }
    },
    {
      sentence: 'a field of a wrong type is refused by the engine, and the caller reads which',
      async run() {
        const { status, json } = await ask(world, CHAT, { ...SHORT, temperature: 'hot' })
        assert.equal(status, 400)
        assert.match(json.error.param, /temperature/)
        assert.match(json.error.message, /temperature/)
      }
    },
    {
      sentence: 'a prompt that is too long is refused by the engine, streamed or not',
      async run() {
        for (const isStream of [false, true]) {
          const content = 'word '.repeat(33_000)
          const body = { ...SHORT, messages: [{ role: 'user', content }], stream: isStream }
          const { status, json } = await ask(world, CHAT, body)
          assert.equal(status, 400)
          assert.match(json.error.message, /32768/)
        }
      }
    },
    {
      sentence: "the caller's token never reaches the engine; the engine's key does",
      async run() {
        const token = await world.gate.sign({ team_id: 'team-tapped' })
        for (const isStream of [false, true]) {
          const answer = await send(world, CHAT, { ...SHORT, stream: isStream }, { token })
          assert.equal(answer.status, 200)
          await answer.text()
        }
        const heard = world.tap.heard()
        assert.equal(heard.match(/POST \/v1\/chat\/completions HTTP\/1\.1/g)?.length, 2)
        assert.ok(heard.includes(`Bearer ${ENGINE_KEY}`), 'no key')
        for (const part of token.split('.')) assert.ok(!heard.includes(part), 'a part of the token')
      }
    },
    {
      sentence: 'paths that the engine guards with no key stay shut',
      async run() {
        for (const path of ['/metrics', '/version', '/load', '/openapi.json', '/docs', '/health', '/ping']) {
          assert.equal((await ask(world, path, null)).status, 404, path)
        }
        for (const path of ['/invocations', '/scale_elastic_ep', '/inference/v1/generate', '/v1/systemone']) {
          assert.equal((await ask(world, path, SHORT)).status, 404, path)
        }
      }
    },
    {
      sentence: 'of 200 calls over connections that the engine is closing (5 s idle), none fails',
      run: async () => await race(world)
    },
    {
      sentence: 'a response of the Responses API is answered, with its usage',
      async run() {
        const { status, json } = await ask(world, '/v1/responses', {
          model: MODEL,
          input: 'Hello?',
          max_output_tokens: 3,
          temperature: 0
        })
        assert.equal(status, 200)
        assert.equal(json.object, 'response')
        assert.equal(json.usage.output_tokens, 3)
      }
    },
    {
      sentence: 'a streamed response ends with its terminal event, which has the usage',
      async run() {
        const events = await stream(world, '/v1/responses', {
          model: MODEL,
          input: 'Hello?',
          max_output_tokens: 3,
          temperature: 0
        })
        const last = JSON.parse(events.at(-1) ?? '')
        assert.match(last.type, /^response\.(completed|incomplete)$/)
        assert.equal(last.response.usage.output_tokens, 3)
      }
    },
    {
      sentence: "a message of Anthropic's API is answered, with its usage",
      async run() {
        const { status, json } = await ask(world, '/v1/messages', {
          model: MODEL,
          messages: MESSAGES,
          max_tokens: 3,
          temperature: 0
        })
        assert.equal(status, 200)
        assert.equal(json.type, 'message')
        assert.equal(json.usage.output_tokens, 3)
      }
    },
    {
      sentence: 'a streamed message begins with message_start and ends with message_stop',
      async run() {
        const events = await stream(world, '/v1/messages', {
          model: MODEL,
          messages: MESSAGES,
          max_tokens: 3,
          temperature: 0
        })
        const types = events.map(event => JSON.parse(event).type)
        assert.deepEqual([types[0], types.at(-1)], ['message_start', 'message_stop'])
      }
    },
    {
      sentence: "an error of Anthropic's API has its shape",
      async run() {
        const { status, json } = await ask(world, '/v1/messages', {
          model: MODEL,
          messages: MESSAGES,
          max_tokens: 3,
          temperature: 'hot'
        })
        assert.equal(status, 400)
        assert.equal(json.type, 'error')
        assert.equal(json.error.type, 'invalid_request_error')
      }
    },
    {
      sentence: 'the tokens of a message are counted',
      async run() {
        const { status, json } = await ask(world, '/v1/messages/count_tokens', { model: MODEL, messages: MESSAGES })
        assert.equal(status, 200)
        assert.ok(json.input_tokens > 0)
      }
    },
    {
      sentence: 'a text is cut into tokens',
      async run() {
        const { status, json } = await ask(world, '/tokenize', { model: MODEL, prompt: 'Hello?' })
        assert.equal(status, 200)
        assert.equal(json.tokens.length, json.count)
      }
    },
    {
      sentence: 'embeddings of a model that only generates are refused in the shape of the OpenAI API',
      run: async () => await refusedByEngine(world, '/v1/embeddings', { model: MODEL, input: 'Hello?' })
    },
    {
      sentence: 'scores of a model that only generates are refused in the shape of the OpenAI API',
      run: async () => await refusedByEngine(world, '/v1/score', { model: MODEL, text_1: 'Hello?', text_2: 'Bye.' })
    }
  ]
}

/** The engine does not have the route: the caller reads so, and not that the gate does not. */
async function refusedByEngine(world: World, path: string, body: object): Promise<void> {
  const { status, json } = await ask(world, path, body)
  assert.equal(status, 404)
  assert.equal(typeof json.error?.message, 'string', JSON.stringify(json))
  assert.notEqual(json.error.message, 'This route is not served.')
}

/**
 * The engine closes a connection that has been idle for 5 s and does not announce it. Many calls at once fill as many
 * connections of the gate; then as many ask again in one moment, so that none finds one that has just been used, and
 * the moment wanders past the one in which the connections die.
 */
async function race(world: World): Promise<string> {
  const [lanes, rounds] = [20, 10]
  const token = await world.gate.sign()
  const faults: string[] = []
  let idleMs: Ms = 0
  const call = async () => {
    const answer = await send(world, '/v1/completions', { model: MODEL, prompt: 'Hi', max_tokens: 1 }, { token })
    await answer.text()
    if (answer.status === 200) return
    const audit = await world.gate.auditOf(answer.headers.get('x-request-id') ?? '')
    faults.push(`${answer.status} ${audit['tollgate.code']} after ${seconds(idleMs)} idle`)
  }
  const callAtOnce = async () => void (await Promise.all(Array.from({ length: lanes }, call)))
  await callAtOnce()
  for (let round = 0; round < rounds; round++) {
    idleMs = 4_900 + (200 * round) / (rounds - 1)
    await after(idleMs)
    await callAtOnce()
  }
  assert.equal(faults.length, 0, `${faults.length} of ${lanes * rounds}: ${faults.join(', ')}`)
  return `0 of ${lanes * rounds}`
}

/** The same calls straight to the engine and through the gate. */
async function sameBytes(world: TextWorld): Promise<string> {
  const { gate, engine } = world
  const calls = [
    [CHAT, { ...SHORT, temperature: 0 }],
    ['/v1/completions', { model: MODEL, prompt: 'Once', max_tokens: 5, ignore_eos: true, temperature: 0 }],
    [CHAT, { ...SHORT, temperature: 1, seed: 1, n: 2 }]
  ] as const
  const wishes = [
    undefined,
    {},
    { include_usage: false, continuous_usage_stats: true },
    { include_usage: true },
    { include_usage: true, continuous_usage_stats: true }
  ]
  let compared = 0
  for (const [path, call] of calls) {
    for (const wish of wishes) {
      const body = { ...call, stream: true, ...(wish === undefined ? {} : { stream_options: wish }) }
      const straight = await fetch(engine.origin + path, {
        method: 'POST',
        headers: { authorization: `Bearer ${ENGINE_KEY}`, 'content-type': 'application/json' },
        body: JSON.stringify(body)
      })
      const through = await send(world, path, body)
      assert.deepEqual([straight.status, through.status], [200, 200])
      const [expected, seen] = [plainly(await straight.text()), plainly(await through.text())]
      assert.deepEqual(seen, expected, `${path} ${JSON.stringify(wish)}`)
      const line = await gate.auditOf(through.headers.get('x-request-id') ?? '')
      assert.equal(line['tollgate.usage.source'], 'engine_final')
      assert.equal(line['gen_ai.usage.output_tokens'], 'n' in call ? 10 : 5)
      assert.ok(Number(line['gen_ai.usage.input_tokens']) > 0)
      compared++
    }
  }
  return `${compared} streams`
}

/** Each kind of event of a stream, without what differs from call to call: names, times, words, and how many stand in one. */
function plainly(text: string): string[] {
  const events = text
    .replaceAll(/"(id)":"(?:chatcmpl|cmpl)-[^"]*"/g, '"$1":""')
    .replaceAll(/"created":\d+/g, '"created":0')
    .replaceAll(/"cached_tokens":\d+/g, '"cached_tokens":0')
    .replaceAll(/"(content|text)":"(?:[^"\\]|\\.)*"/g, '"$1":""')
    .replaceAll(/"index":\d+/g, '"index":0')
    .split('\n\n')
  // Numbers so far hang on how many words an event has; those of the whole call do not.
  const shown = events.map(event =>
    event.includes('"choices":[]') ? event : event.replaceAll(/_tokens":\d+/g, '_tokens":0')
  )
  return [...new Set(shown)]
}
