import fc from 'fast-check'
import t from 'tap'
import { readStrictObject } from '../../src/authenticate/strict-json.ts'

const reasonOf = (text: string | Buffer): unknown => {
  try {
    readStrictObject(Buffer.from(text as string))
    return 'pass'
  } catch (err) {
    return (err as { detail: { reason: unknown } }).detail.reason
  }
}

t.test('V18: a name that stands twice is refused at every level, however it is escaped', async t => {
  t.equal(reasonOf('{"a":1,"a":2}'), 'duplicate_member')
  t.equal(reasonOf('{"a":1,"\\u0061":2}'), 'duplicate_member')
  t.equal(reasonOf('{"x":{"a":1,"a":2}}'), 'duplicate_member')
  t.equal(reasonOf('{"x":[{"a":1},{"b":1,"b" : 2}]}'), 'duplicate_member')
})

t.test('V18: the same name in different objects, and as a value, is fine', async t => {
  t.equal(reasonOf('{"a":{"a":"a"},"b":[{"a":"a"},{"a":"\\"a\\":"}]}'), 'pass')
})

t.test(
  'V18: no object, a byte order mark, bad UTF-8, numbers without an end, and depth without one are refused',
  async t => {
    const deep = `{"a":${'['.repeat(20)}${']'.repeat(20)}}`
    const wide = `{${Array.from({ length: 300 }, (_, i) => `"${i}":1`).join(',')}}`
    for (const text of ['[]', '1', 'null', '', '{', '\ufeff{}', '{"exp":1e400}', '{"a":[-1e999]}', deep, wide]) {
      t.equal(reasonOf(text), 'malformed', text.slice(0, 20))
    }
    t.equal(reasonOf(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])), 'malformed')
  }
)

t.test('every object that a writer can write is read as it was meant', async t => {
  const shallow = fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.array(fc.string())))
  fc.assert(
    fc.property(shallow, object => {
      t.strictSame(
        Object.entries(readStrictObject(Buffer.from(JSON.stringify(object)))),
        Object.entries(JSON.parse(JSON.stringify(object)))
      )
    }),
    { numRuns: 50 }
  )
})
