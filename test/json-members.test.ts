import fc from 'fast-check'
import t from 'tap'
import { Members } from '../src/json-members.ts'

const walk = (text: string, at = 0) => {
  const bytes = Buffer.from(text)
  const members = new Members()
  const found: [string, string][] = []
  members.open(bytes, at)
  while (members.next()) {
    found.push([members.name(), bytes.toString('utf8', members.start, members.end)])
  }
  return { found, after: members.after }
}

t.test('members stand where a parser finds them, however the text is spaced and whatever its strings say', async () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 6 }),
      fc.constantFrom(0, 1, '\t'),
      (object, indent) => {
        // Names like numbers come first in JavaScript's objects; the text and the parsed object agree on that.
        const text = JSON.stringify(object, null, indent)
        const { found, after } = walk(` ${text}tail`, 1)
        const expected = Object.entries(JSON.parse(text) as object)
        return (
          after === Buffer.byteLength(text) + 1 &&
          found.length === expected.length &&
          found.every(([name, value], i) => {
            const [wanted, inner] = expected[i] ?? []
            return name === wanted && JSON.stringify(JSON.parse(value)) === JSON.stringify(inner)
          })
        )
      }
    )
  )
})

t.test('what cannot be followed has no end, and nothing is thrown', async t => {
  for (const text of [
    '',
    '[1]',
    '{',
    '{"a"',
    '{"a":',
    '{"a":1',
    '{"a":"x',
    '{"a":"x\n"}',
    '{"a":[1}',
    '{"a":1 "b":2}',
    '{a:1}',
    '{"a":}',
    '{"a":{"b":1}',
    '{"a":1,}'
  ])
    t.equal(walk(text).after, -1, text)
  fc.assert(fc.property(fc.string({ unit: 'binary' }), text => walk(`{${text}`).after !== 0))
})

t.test('nothing behind the limit is looked at', async t => {
  const bytes = Buffer.from('{"a":1}')
  const members = new Members()
  t.equal(members.open(bytes, 0, bytes.length - 1), true)
  t.equal(members.next(), true)
  t.equal(members.next(), false)
  t.equal(members.after, -1)
  t.equal(members.open(bytes, bytes.length), false)
  t.equal(members.next(), false)
})

t.test('a name is compared as it is written', async t => {
  const members = new Members()
  members.open(Buffer.from('{"us\\u0061ge":1,"usage":2,"usages":3}'), 0)
  const named = []
  while (members.next()) named.push([members.name(), members.isNamed('usage')])
  t.strictSame(named, [
    ['usage', false],
    ['usage', true],
    ['usages', false]
  ])
})

t.test('a walk goes on from the end of a value', async t => {
  const bytes = Buffer.from('…"x":1},"b":[2] } ')
  const members = new Members()
  members.resume(bytes, bytes.indexOf(',"b"'))
  t.equal(members.next(), true)
  t.equal(members.name(), 'b')
  t.equal(members.next(), false)
  t.equal(members.after, bytes.length - 1)
})
