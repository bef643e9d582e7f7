import fc from 'fast-check'
import t from 'tap'
import { USAGE_HABITS } from '../../src/engines/usage.ts'
import { ChunkReader } from '../../src/meter/chunks.ts'
import { EventStream } from '../../src/meter/events.ts'
import { MEND, NATIVE } from '../helpers/exchanges.ts'
import { dumps } from '../helpers/usage-streams.ts'

const readerFor = (engine: 'vllm' | 'sglang' | 'lmdeploy', hidesFinal = true, hidesPartial = true) => {
  let known: string | undefined = ''
  return new ChunkReader({
    operation: 'chat',
    reporting: { ...NATIVE, mode: 'exact', own: null, hidesFinal, hidesPartial },
    habits: USAGE_HABITS[engine],
    fingerprint: {
      get: () => known,
      set: text => {
        known = text
      }
    },
    mend: MEND
  })
}
const through = (reader: ChunkReader, text: string) => {
  const stream = new EventStream(reader)
  return [stream.chunk(Buffer.from(text)), stream.end()].map(piece => piece?.toString() ?? '').join('')
}

t.test(
  'only the usage of the outermost object is taken out, wherever it stands and whatever else is called usage',
  async () => {
    const usage = fc.record({ prompt_tokens: fc.nat(), completion_tokens: fc.nat() })
    const inner = fc
      .jsonValue({ maxDepth: 3 })
      .map(value => ({ usage: { prompt_tokens: 1 }, delta: { usage: null }, value }))
    const chunk = fc
      .tuple(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 })), inner, usage, fc.nat(5))
      .map(([others, choice, counts, place]) => {
        const members = Object.entries(others).filter(
          ([name]) => name !== 'usage' && name !== 'choices' && name !== 'error' && name !== '__proto__'
        )
        members.push(['choices', [choice]])
        members.splice(place % (members.length + 1), 0, ['usage', counts])
        return members
      })
    const write = (members: [string, unknown][], isSpaced: boolean) => {
      const object = Object.fromEntries(members)
      return isSpaced ? dumps(object) : JSON.stringify(object)
    }
    fc.assert(
      fc.property(chunk, fc.boolean(), (members, isSpaced) => {
        const reader = readerFor('vllm')
        const seen = through(reader, `data: ${write(members, isSpaced)}\n\n`)
        const expected = `data: ${write(
          members.filter(([name]) => name !== 'usage'),
          isSpaced
        )}\n\n`
        if (seen !== expected) throw new Error(`${seen}\n--- instead of ---\n${expected}`)
        const said = Object.fromEntries(members).usage as { prompt_tokens: number; completion_tokens: number }
        const { inputTokens, outputTokens } = reader.counts()
        return inputTokens === said.prompt_tokens && outputTokens === said.completion_tokens
      })
    )
  }
)

t.test('what is no object in JSON, or breaks off, goes by as it came', async t => {
  for (const data of [
    'hello',
    '[1,{"usage":{}}]',
    '"usage"',
    '{"choices":[],"usage":{"prompt_tokens":1}',
    '{"choices":[1],"usage":{"prompt_tokens":1}} x',
    '{"choices":[1] "usage":{"prompt_tokens":1}}',
    '{"choices":["a\\"],"usage":{"prompt_tokens":1}}'
  ]) {
    const reader = readerFor('vllm')
    t.equal(through(reader, `data: ${data}\n\n`), `data: ${data}\n\n`, data)
    t.equal(reader.unread, 1)
    t.equal(reader.counts().inputTokens, null)
  }
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), text => {
      through(readerFor('vllm'), text)
      through(readerFor('sglang'), `data: {"choices":[],"usage":{${text}\n\n`)
    })
  )
})

t.test('each engine has its own way to say that a chunk has no usage', async t => {
  const usage = '"usage":{"prompt_tokens":1}'
  t.equal(through(readerFor('vllm'), `data: {"choices":[{}],${usage}}\n\n`), 'data: {"choices":[{}]}\n\n')
  t.equal(through(readerFor('sglang'), `data: {"choices":[{}],${usage}}\n\n`), 'data: {"choices":[{}]}\n\n')
  const tool = '"choices":[{"delta":{"tool_calls":null}}]'
  t.equal(through(readerFor('sglang'), `data: {${tool},${usage}}\n\n`), `data: {${tool},"usage":null}\n\n`)
  t.equal(through(readerFor('sglang'), `data: {${tool},"usage":null}\n\n`), `data: {${tool},"usage":null}\n\n`)
  t.equal(through(readerFor('lmdeploy'), 'data: {"choices": [{}], "usage": null}\n\n'), 'data: {"choices": [{}]}\n\n')
  t.equal(
    through(readerFor('lmdeploy', false), 'data: {"choices": [{}], "usage": null}\n\n'),
    'data: {"choices": [{}], "usage": null}\n\n',
    'who asked for usage gets its nulls'
  )
})

t.test('the last usage counts, and details of an earlier one stay', async t => {
  const reader = readerFor('vllm')
  through(
    reader,
    'data: {"choices":[{}],"usage":{"prompt_tokens":1,"completion_tokens":1,"completion_tokens_details":{"reasoning_tokens":1}}}\n\n' +
      'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":0}}}\n\n'
  )
  t.match(reader.counts(), { inputTokens: 1, outputTokens: 2, cachedInputTokens: 0, reasoningTokens: 1 })
  t.equal(reader.hasFinal, true)
})

t.test('sound: chunks and ends of both dialects', async t => {
  const vllm = readerFor('vllm')
  t.equal(
    through(
      vllm,
      'data: {"object":"transcription.chunk","choices":[{"delta":{"content":"a"}}],"usage":{"prompt_tokens":9}}\n\ndata: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":1}}\n\n'
    ),
    'data: {"object":"transcription.chunk","choices":[{"delta":{"content":"a"}}]}\n\n'
  )
  t.match(vllm.counts(), { inputTokens: 9, outputTokens: 1 })
  const openai = readerFor('vllm', false, false)
  through(openai, 'data: {"type":"transcript.text.done","text":"a","usage":{"type":"duration","seconds":3.5}}\n\n')
  t.match(openai.counts(), { audioSeconds: 3.5 })
})
