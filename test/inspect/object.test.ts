import t from 'tap'
import { readObject } from '../../src/inspect/object.ts'

const read = (text: string) => readObject(Buffer.from(text))

t.test('an object is read: what it says, and where each member stands in its bytes', async t => {
  const { fields, members, bytes } = read('{"a": 1.0, "b": {"c": [true]}}')
  t.strictSame(fields, { a: 1, b: { c: [true] } })
  const b = members.get('b')
  t.equal(bytes.toString('utf8', b?.start, b?.end), '{"c": [true]}')
})

t.test('what two readers could take for two things is refused', async t => {
  for (const [text, code] of [
    ['', 'TOLLGATE_INSPECT_JSON'],
    ['[]', 'TOLLGATE_INSPECT_JSON'],
    ['{"a":NaN}', 'TOLLGATE_INSPECT_JSON'],
    ['{"a":1}x', 'TOLLGATE_INSPECT_JSON'],
    ['\ufeff{"a":1}', 'TOLLGATE_INSPECT_JSON'],
    ['{"a":1,"\\u0061":2}', 'TOLLGATE_INSPECT_DUPLICATE'],
    ['{"a":[{"b":1,"b":2}]}', 'TOLLGATE_INSPECT_DUPLICATE'],
    [`{"a":${'['.repeat(65)}${']'.repeat(65)}}`, 'TOLLGATE_INSPECT_DEPTH'],
    ['{"a":{"b":1e999}}', 'TOLLGATE_INSPECT_FIELD']
  ] as const) {
    t.throws(() => read(text), { code }, text.slice(0, 40))
  }
  t.throws(() => readObject(Buffer.from('{"a":1}', 'utf16le')), { code: 'TOLLGATE_INSPECT_JSON' })
})
