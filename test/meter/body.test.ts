import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import t from 'tap'
import { BodyReader, lastMember } from '../../src/meter/body.ts'
import { cutAt, cuts } from '../helpers/cut.ts'

const read = (text: string, places: readonly number[] = [], kind: 'usage' | 'messages' | 'native' = 'usage') => {
  const reader = new BodyReader(kind)
  for (const piece of cutAt(Buffer.from(text), places)) reader.chunk(piece)
  return reader.counts()
}

t.test('a member of the outermost object is found from the end, as a parser finds it', async () => {
  const nested = fc.jsonValue({ maxDepth: 2 }).map(value => ({ value, usage: { a: value }, 'b"usage': [{ usage: 1 }] }))
  fc.assert(
    fc.property(
      fc.dictionary(fc.string(), nested),
      nested,
      fc.nat(4),
      fc.constantFrom(0, 1),
      (others, usage, place, indent) => {
        const members = Object.entries(others).filter(([name]) => name !== 'usage' && name !== '__proto__')
        members.splice(place % (members.length + 1), 0, ['usage', usage])
        const text = JSON.stringify(Object.fromEntries(members), null, indent)
        return JSON.stringify(lastMember(Buffer.from(text), 'usage')) === JSON.stringify(usage)
      }
    )
  )
})

t.test('a name in a string, a nested one and one of a broken text are not taken for it', async t => {
  for (const text of [
    '{"a":",\\"usage\\":{\\"prompt_tokens\\":1}"}',
    '{"a":{"usage":{"prompt_tokens":1}}}',
    '{"a":["usage"],"b":"usage"}',
    '{"x\\"usage":{"prompt_tokens":1}}',
    '{"usage":{"prompt_tokens":1}',
    '{"usage":{"prompt_tokens":1}}}',
    'usage',
    ''
  ])
    t.equal(read(text).inputTokens, null, text)
})

t.test('a long list is not kept: usage before or behind it is found all the same', async t => {
  const long = JSON.stringify(Array(60_000).fill([0.123456]))
  fc.assert(
    fc.property(cuts, places => read(`{"data":${long},"usage":{"prompt_tokens":7}}`, places).inputTokens === 7),
    { numRuns: 40 }
  )
  t.equal(read(`{"usage":{"prompt_tokens":7},"results":${long}}`, [0.1, 0.5, 0.9]).inputTokens, 7)
  t.equal(read(`{"data":${long}}`, [0.5]).inputTokens, null)
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  const before = process.memoryUsage().arrayBuffers
  const reader = new BodyReader('usage')
  for (let i = 0; i < 300; i++) reader.chunk(Buffer.alloc(64 * 1024, '1'))
  const kept = () => process.memoryUsage().arrayBuffers - before
  // What has been collected is given back a little later.
  for (let i = 0; i < 100 && kept() > 1024 * 1024; i++) {
    collect()
    await new Promise(resolve => setImmediate(resolve))
  }
  t.ok(kept() <= 1024 * 1024, `${kept()} bytes`)
  t.equal(reader.counts().inputTokens, null)
})

t.test(
  'an object stays one though a piece of it begins with a list, and a list though its first piece is empty',
  async t => {
    const text = `{"data":${JSON.stringify(Array(20_000).fill([0.123456]))},"usage":{"prompt_tokens":7}}`
    for (let at = 1; at < 16; at++) t.equal(read(text, [at / text.length]).inputTokens, 7, text.slice(0, at))
    const items = Array(5_000).fill('{"meta_info":{"prompt_tokens":1}}')
    t.equal(read(`  [${items}]`, [1 / 160_000]).inputTokens, 5_000)
  }
)

t.test('an answer that has not come whole says nothing', async t => {
  t.equal(read('{"choices":[],"usage":{"prompt_tokens":1},"x":').inputTokens, null)
})

t.test('bytes one by one are put together', async t => {
  const text = `{"x":"${'y'.repeat(5_000)}","usage":{"prompt_tokens":1,"completion_tokens":0}}`
  const reader = new BodyReader('usage')
  for (const byte of Buffer.from(text)) reader.chunk(Buffer.from([byte]))
  t.match(reader.counts(), { inputTokens: 1, outputTokens: 0 })
})

t.test('of a long answer that comes byte by byte no more is kept than of one that comes at once', async t => {
  const text = Buffer.from(`{"content":"${'x'.repeat(300_000)}","usage":{"prompt_tokens":3,"completion_tokens":4}}`)
  for (const size of [1, 65_536]) {
    const reader = new BodyReader('usage')
    for (let at = 0; at < text.length; at += size) reader.chunk(text.subarray(at, at + size))
    t.match(reader.counts(), { inputTokens: 3, outputTokens: 4 })
    t.equal(reader.contentBytes(), null, `pieces of ${size}: its beginning was let go of`)
  }
})

t.test('lists: each item has its own numbers; where one has none, the sum is not known', async t => {
  t.equal(read('[{"meta_info":{"prompt_tokens":1}},{"meta_info":{"prompt_tokens":2}}]').inputTokens, 3)
  t.equal(read('[{"meta_info":{"prompt_tokens":1}},{}]').inputTokens, null)
  t.equal(read('[]').inputTokens, null)
  t.equal(read('[{').inputTokens, null)
})

t.test('nothing is thrown, whatever comes', async () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary' }),
      cuts,
      fc.constantFrom('usage', 'messages', 'native'),
      (text, places, kind) => {
        read(text, places, kind)
        read(`{"usage":${text}}`, places, kind)
        read(`{"meta_info":{"prompt_tokens":${text}}}`, places, kind)
      }
    )
  )
})
