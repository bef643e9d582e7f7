import assert from 'node:assert/strict'
import { ask, asked, type Journey, refused, send, type Through } from '../journey.ts'
import type { Library } from '../libraries.ts'
import { answered, raised } from './libraries.ts'

const VECTORS = { model: 'vectors' }
const RANKS = { model: 'ranks' }
const PAIR = { query: 'Hello?', documents: ['Bye.', 'Hello!'] }

/** Calls by hand, with an engine that makes vectors and one that ranks, both in the pools of one team. */
export function vectorJourneys(world: Through): readonly Journey[] {
  return [
    {
      sentence: 'texts become embeddings, with their usage',
      async run() {
        const { object, data, usage } = await asked(world, '/v1/embeddings', { ...VECTORS, input: ['Hello?', 'Bye.'] })
        assert.equal(object, 'list')
        assert.deepEqual(
          data.map(({ index, embedding }: { index: number; embedding: number[] }) => [index, embedding.length]),
          [
            [0, 256],
            [1, 256]
          ]
        )
        assert.ok(usage.prompt_tokens > 0)
      }
    },
    {
      sentence: 'an embedding in base64 is the one in numbers',
      async run() {
        const numbers = await asked(world, '/v1/embeddings', { ...VECTORS, input: 'Hello?' })
        const body = { ...VECTORS, input: 'Hello?', encoding_format: 'base64' }
        const coded = Buffer.from((await asked(world, '/v1/embeddings', body)).data[0].embedding, 'base64')
        const floats = numbers.data[0].embedding.map((_: number, i: number) => coded.readFloatLE(4 * i))
        assert.equal(coded.length, 4 * floats.length)
        assert.deepEqual(floats, numbers.data[0].embedding.map(Math.fround))
      }
    },
    {
      sentence: 'an embedding in bytes comes as bytes',
      async run() {
        const answer = await send(world, '/v1/embeddings', { ...VECTORS, input: 'Hi', encoding_format: 'bytes_only' })
        assert.equal(answer.status, 200)
        assert.equal(answer.headers.get('content-type'), 'application/octet-stream')
        assert.equal((await answer.arrayBuffer()).byteLength, 4 * 256)
      }
    },
    {
      sentence: "embeddings in Cohere's words are answered, with what they cost",
      async run() {
        const { embeddings, meta } = await asked(world, '/v2/embed', { ...VECTORS, texts: ['Hello?'] })
        assert.equal(embeddings.float[0].length, 256)
        assert.ok(meta.billed_units.input_tokens > 0)
      }
    },
    {
      sentence: 'a text is pooled, by both kinds of models',
      async run() {
        for (const [model, length] of [
          ['vectors', 256],
          ['ranks', 1]
        ]) {
          const { data, usage } = await asked(world, '/pooling', { model, input: 'Hello?' })
          assert.equal(data[0].data.length, length)
          assert.ok(usage.prompt_tokens > 0)
        }
      }
    },
    {
      sentence: 'a text is classified, with its usage',
      async run() {
        const { data, usage } = await asked(world, '/classify', { ...RANKS, input: 'Hello?' })
        assert.equal(data[0].label, 'LABEL_0')
        assert.ok(usage.prompt_tokens > 0)
      }
    },
    {
      sentence: 'two texts are scored on both paths, by both kinds of models, with their usage',
      async run() {
        for (const model of ['vectors', 'ranks']) {
          for (const path of ['/score', '/v1/score']) {
            const { data, usage } = await asked(world, path, { model, text_1: 'Hello?', text_2: PAIR.documents })
            assert.equal(data.length, 2)
            assert.equal(typeof data[1].score, 'number')
            assert.ok(usage.prompt_tokens > 0)
          }
        }
      }
    },
    {
      sentence: 'documents are ranked on all three paths, with their usage',
      async run() {
        for (const path of ['/rerank', '/v1/rerank', '/v2/rerank']) {
          const { results, usage } = await asked(world, path, { ...RANKS, ...PAIR, top_n: 1 })
          assert.equal(results.length, 1)
          assert.equal(typeof results[0].relevance_score, 'number')
          assert.ok(usage.total_tokens > 0)
        }
      }
    },
    {
      sentence: 'a text is cut into tokens, and the tokens make the text',
      async run() {
        for (const model of ['vectors', 'ranks']) {
          const { tokens, count } = await asked(world, '/tokenize', { model, prompt: 'Hello?' })
          assert.equal(tokens.length, count)
          assert.equal((await asked(world, '/detokenize', { model, tokens })).prompt, 'Hello?')
        }
      }
    },
    {
      sentence: 'what an engine that makes vectors does not accept is told in the shape of the OpenAI API',
      async run() {
        const long = 'word '.repeat(3_000)
        assert.match(await refused(world, '/v1/embeddings', { ...VECTORS, input: long }), /2048/)
        assert.match(await refused(world, '/v1/embeddings', { ...VECTORS, input: 'Hi', dimensions: 8 }), /dimensions/)
        assert.match(await refused(world, '/v2/embed', { ...VECTORS, texts: ['Hi'], input_type: 'x' }), /input_type/)
        assert.match(await refused(world, '/classify', { ...RANKS, input: long }), /512/)
        assert.match(await refused(world, '/rerank', { ...RANKS, query: long, documents: ['a'] }), /512/)
      }
    },
    {
      sentence: 'what a model is not for is refused in the shape of the OpenAI API, and names no other model',
      async run() {
        for (const [path, body] of [
          ['/v1/chat/completions', { ...VECTORS, messages: [{ role: 'user', content: 'Hi' }], max_tokens: 1 }],
          ['/v1/completions', { ...RANKS, prompt: 'Hi', max_tokens: 1 }],
          ['/v1/embeddings', { ...RANKS, input: 'Hi' }],
          ['/classify', { ...VECTORS, input: 'Hi' }]
        ] as const) {
          const { status, json } = await ask(world, path, body)
          assert.equal(status, 404, path)
          assert.equal(typeof json.error.message, 'string', JSON.stringify(json))
        }
      }
    },
    {
      sentence: 'pictures to embed need the scope for more than text, wherever they stand',
      async run() {
        const picture = { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }
        const messages = [{ role: 'user', content: [picture] }]
        for (const [path, body] of [
          ['/v1/embeddings', { ...VECTORS, messages }],
          ['/v1/embeddings', { ...VECTORS, messages: [messages] }],
          ['/v1/embeddings', { ...VECTORS, input: messages }],
          ['/v1/embeddings', { ...VECTORS, input: [messages] }],
          ['/v2/embed', { ...VECTORS, inputs: [{ content: [picture] }] }],
          ['/pooling', { ...VECTORS, messages }],
          ['/score', { ...RANKS, text_1: 'Hi', text_2: { content: [picture] } }],
          ['/rerank', { ...RANKS, query: 'Hi', documents: [{ content: [picture] }] }]
        ] as const) {
          const { status, json } = await ask(world, path, body)
          assert.equal(status, 403, `${path} ${JSON.stringify(body)}: ${JSON.stringify(json)}`)
        }
      }
    }
  ]
}

/** The same with a library, which asks for base64 unless told otherwise. */
export function vectorLibraryJourneys({ gate }: Through, library: Library): readonly Journey[] {
  const call = 'embeddings.create'
  const ask = async (args: Record<string, unknown>) =>
    await library.call({ origin: gate.origin, token: await gate.sign(), call, args: { ...VECTORS, ...args } })
  return [
    {
      sentence: `${library.title}: texts become embeddings, as it asks for them and as numbers`,
      async run() {
        const { data, usage } = answered(await ask({ input: ['Hello?', 'Bye.'] }))
        const numbers = answered(await ask({ input: ['Hello?', 'Bye.'], encoding_format: 'float' }))
        assert.equal(data.length, 2)
        assert.deepEqual(data[1].embedding.map(Math.fround), numbers.data[1].embedding.map(Math.fround))
        assert.ok(usage.prompt_tokens > 0)
      }
    },
    {
      sentence: `${library.title}: a text that is too long to embed is a BadRequestError with the words of the engine`,
      async run() {
        const error = raised(await ask({ input: 'word '.repeat(3_000) }))
        assert.equal(error.name, 'BadRequestError')
        assert.match(error.message, /2048/)
      }
    }
  ]
}
