import assert from 'node:assert/strict'
import { ENGINE_KEY } from '../engine.ts'
import { ask, asked, type Journey, send, stream, type Through } from '../journey.ts'
import type { Tap } from '../tap.ts'

const CHAT = '/v1/chat/completions'
const MESSAGES = [{ role: 'user', content: 'Hello?' }]
const SHORT = { model: 'tiny', messages: MESSAGES, max_tokens: 5, temperature: 0 }

/** ms-swift, a wire-tap between it and the calls of `team-tapped`, and a pool with a wrong key for `team-locked`. */
interface SwiftWorld extends Through {
  readonly tap: Tap
}

/** Calls by hand, with ms-swift. */
export function swiftJourneys(world: SwiftWorld): readonly Journey[] {
  return [
    {
      sentence: 'a chat is answered, with its usage',
      async run() {
        const { object, choices, usage } = await asked(world, CHAT, SHORT)
        assert.equal(object, 'chat.completion')
        assert.equal(choices[0].finish_reason, 'length')
        assert.equal(usage.completion_tokens, 5)
      }
    },
    {
      sentence: 'a streamed chat has its usage so far in every chunk, and ends with [DONE]',
      async run() {
        const events = await stream(world, CHAT, { ...SHORT, stream_options: { include_usage: true } })
        assert.equal(events.at(-1), '[DONE]')
        const chunks = events.slice(0, -1).map(event => JSON.parse(event))
        assert.ok(chunks.length >= 5, `${chunks.length} chunks`)
        assert.deepEqual(
          chunks.slice(0, 5).map(({ usage }) => usage.completion_tokens),
          [1, 2, 3, 4, 5]
        )
      }
    },
    {
      sentence: 'a completion is answered, streamed and not',
      async run() {
        const body = { model: 'tiny', prompt: 'Once', max_tokens: 3, temperature: 0 }
        const { object, usage } = await asked(world, '/v1/completions', body)
        assert.equal(object, 'text_completion')
        assert.equal(usage.completion_tokens, 3)
        const events = await stream(world, '/v1/completions', body)
        assert.equal(events.at(-1), '[DONE]')
        assert.equal(typeof JSON.parse(events[0] ?? '').choices[0].text, 'string')
      }
    },
    {
      sentence: 'max_completion_tokens, which it does not know, limits an answer all the same, streamed or not',
      async run() {
        const body = { model: 'tiny', messages: MESSAGES, max_completion_tokens: 4, temperature: 0 }
        assert.equal((await asked(world, CHAT, body)).usage.completion_tokens, 4)
        const events = await stream(world, CHAT, { ...body, stream_options: { include_usage: true } })
        assert.equal(JSON.parse(events.at(-2) ?? '').usage.completion_tokens, 4)
      }
    },
    {
      sentence: 'its one model is listed, and an unknown one is refused without naming it',
      async run() {
        const { json } = await ask(world, '/v1/models', null)
        assert.deepEqual(
          json.data.map(({ id }: { id: string }) => id),
          ['tiny']
        )
        const unknown = await ask(world, CHAT, { ...SHORT, model: 'unknown' })
        assert.equal(unknown.status, 404)
        assert.equal(unknown.json.error.code, 'model_not_found')
        assert.doesNotMatch(JSON.stringify(unknown.json), /tiny/)
      }
    },
    {
      sentence: 'what it does not accept is told in the shape of the OpenAI API',
      async run() {
        const wrong = await ask(world, CHAT, { ...SHORT, temperature: 'hot' })
        assert.equal(wrong.status, 422)
        assert.match(wrong.json.error.message, /temperature/)
        const long = await ask(world, CHAT, { ...SHORT, messages: [{ role: 'user', content: 'word '.repeat(1_000) }] })
        assert.equal(long.status, 400)
        assert.match(long.json.error.message, /512/)
      }
    },
    {
      sentence: 'a wrong key of the gate is told to the operator, and nothing of it to the caller',
      async run() {
        const answer = await send(world, CHAT, SHORT, { token: await world.gate.sign({ team_id: 'team-locked' }) })
        assert.equal(answer.status, 502)
        assert.doesNotMatch(await answer.text(), /API key/)
        const audit = await world.gate.auditOf(answer.headers.get('x-request-id') ?? '')
        assert.equal(audit['tollgate.code'], 'TOLLGATE_FORWARD_KEY')
      }
    },
    {
      sentence: "the caller's token never reaches the engine; the engine's key does",
      async run() {
        const token = await world.gate.sign({ team_id: 'team-tapped' })
        await asked(world, CHAT, SHORT, token)
        const heard = world.tap.heard()
        assert.ok(heard.includes(`Bearer ${ENGINE_KEY}`), 'no key')
        for (const part of token.split('.')) assert.ok(!heard.includes(part), 'a part of the token')
      }
    },
    {
      sentence: 'the paths that are no part of the OpenAI API stay shut',
      async run() {
        for (const path of ['/infer/', '/infer', '/ping'])
          assert.equal((await ask(world, path, SHORT)).status, 404, path)
        for (const path of ['/health', '/ping', '/docs', '/openapi.json']) {
          assert.equal((await ask(world, path, null)).status, 404, path)
        }
      }
    }
  ]
}
