import fc from 'fast-check'
import t from 'tap'
import { GateError } from '../../src/errors.ts'
import { MAX_DEPTH, scanMembers } from '../../src/inspect/json-scan.ts'

/** JSON text with white space anywhere and names escaped at random. */
const spaced = (value: unknown, indent: number | string) => JSON.stringify(value, null, indent)
const escaped = (text: string) =>
  text.replace(
    /"([A-Za-z]+)":/g,
    (_whole, name: string) =>
      `"${[...name].map((c, i) => (i % 2 ? c : `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)).join('')}" :`
  )

t.test('every member stands where its bytes say what JSON.parse says', async t => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 4 })),
      fc.constantFrom(0, 2, '\t', ' \r\n'),
      (object, indent) => {
        const text = spaced(object, indent)
        const bytes = Buffer.from(text)
        const { members } = scanMembers(bytes)
        const parsed = JSON.parse(text) as Record<string, unknown>
        t.strictSame([...members.keys()].sort(), Object.keys(parsed).sort())
        for (const [name, { start, end }] of members) {
          t.strictSame(JSON.parse(bytes.toString('utf8', start, end)), parsed[name])
        }
      }
    ),
    { numRuns: 60 }
  )
})

t.test('a name is the same name however it is escaped, and may stand once', async t => {
  t.strictSame(
    [...scanMembers(Buffer.from(escaped('{"model":"m","stream":true}'))).members.keys()],
    ['model', 'stream']
  )
  for (const text of ['{"model":1,"model":2}', '{"model":1,"\\u006dodel":2}', '{ "a" : {} ,"b":[],"a":"x"}']) {
    t.throws(() => scanMembers(Buffer.from(text)), { code: 'TOLLGATE_INSPECT_DUPLICATE' }, text)
  }
})

t.test('the same name deeper down, or inside a text, is no second one', async t => {
  const text = '{"model":"a \\"model\\": \\\\","x":{"model":1},"y":[{"model":2}],"z":"\\\\\\""}'
  t.equal(scanMembers(Buffer.from(text)).members.size, 4)
})

t.test('numbers and words end at the white space, the comma or the brace after them', async t => {
  const text = '{"a": 9223372036854775807 ,"b":-1.0e5\n,"c":true}'
  const slice = ({ start, end }: { start: number; end: number }) => text.slice(start, end)
  t.strictSame([...scanMembers(Buffer.from(text)).members.values()].map(slice), [
    '9223372036854775807',
    '-1.0e5',
    'true'
  ])
})

t.test('JSON as deep as the limit passes, one deeper does not', async t => {
  const deep = (levels: number) => Buffer.from(`{"a":${'['.repeat(levels)}${']'.repeat(levels)}}`)
  t.doesNotThrow(() => scanMembers(deep(MAX_DEPTH - 1)))
  t.throws(() => scanMembers(deep(MAX_DEPTH)), { code: 'TOLLGATE_INSPECT_DEPTH' })
})

t.test('an empty object has no members', async t => {
  t.equal(scanMembers(Buffer.from(' { } ')).members.size, 0)
})

t.test('strings of every length end where they end, however many quotes and backslashes they hold', async t => {
  const piece = fc.constantFrom('"', '\\', 'a', '\\"', '\\\\', 'b'.repeat(70), '\u00e9', '{', ']', ',')
  const long = fc.array(piece, { maxLength: 200 }).map(pieces => pieces.join(''))
  fc.assert(
    fc.property(long, long, (name, text) => {
      const bytes = Buffer.from(JSON.stringify({ [name]: text, z: [text, name] }))
      const parsed = JSON.parse(bytes.toString()) as Record<string, unknown>
      return [...scanMembers(bytes).members].every(
        ([key, { start, end }]) =>
          JSON.stringify(JSON.parse(bytes.toString('utf8', start, end))) === JSON.stringify(parsed[key])
      )
    }),
    { numRuns: 100 }
  )
  t.pass()
})

t.test('whatever the bytes, the scan ends with members or with one of three refusals', async t => {
  const refusals = ['TOLLGATE_INSPECT_JSON', 'TOLLGATE_INSPECT_DUPLICATE', 'TOLLGATE_INSPECT_DEPTH']
  const shard = fc.constantFrom('{', '}', '[', ']', '"', ':', ',', '\\', ' ', '1', '"a"', '"b":', 'null')
  fc.assert(
    fc.property(fc.array(shard, { maxLength: 60 }), shards => {
      try {
        return scanMembers(Buffer.from(`{${shards.join('')}`)).members instanceof Map
      } catch (err) {
        return err instanceof GateError && refusals.includes(err.code)
      }
    }),
    { numRuns: 300 }
  )
  t.pass()
})

t.test('a text that begins like an object is refused by its depth, although it never ends', async t => {
  for (const text of [`{"a":${'['.repeat(1000)}`, `{"a" ${'['.repeat(1000)}`, `{"a":1${'{"b":'.repeat(1000)}`]) {
    t.throws(() => scanMembers(Buffer.from(text)), { code: 'TOLLGATE_INSPECT_DEPTH' }, text.slice(0, 10))
  }
  t.throws(() => scanMembers(Buffer.from('['.repeat(1000))), { code: 'TOLLGATE_INSPECT_JSON' })
})

t.test('a name stands once in every object, at whatever depth and however it is escaped', async t => {
  for (const text of [
    '{"a":{"b":1,"b":2}}',
    '{"a":[{"b":1},{"b":1,"c":2,"\\u0062":3}]}',
    '{"a":{"x":{"y":[],"y":{}}}}',
    `{"a":{${Array.from({ length: 40 }, (_, i) => `"k${i}":1`).join(',')},"k7":1}}`
  ]) {
    t.throws(() => scanMembers(Buffer.from(text)), { code: 'TOLLGATE_INSPECT_DUPLICATE' }, text.slice(0, 40))
  }
  for (const text of [
    '{"a":{"b":1,"c":{"b":2}},"d":{"b":3}}',
    '{"a":[{"b":1},{"b":2}],"b":["b","b"]}',
    '{"a":{"b":"b","c":"b"}}',
    `{"a":{${Array.from({ length: 40 }, (_, i) => `"k${i}":"k1"`).join(',')}}}`
  ]) {
    t.doesNotThrow(() => scanMembers(Buffer.from(text)), text.slice(0, 40))
  }
})

t.test('duplicates are found exactly where JSON.parse would lose a member', async () => {
  const name = fc.constantFrom('"a"', '"b"', '"\\u0061"', '"c d"')
  const { value } = fc.letrec<{ value: string }>(tie => ({
    value: fc.oneof(
      { maxDepth: 3 },
      fc.constantFrom('1', '"a"', 'null', '"{\\"a\\":1}"'),
      fc.array(tie('value'), { maxLength: 3 }).map(items => `[${items.join(',')}]`),
      fc
        .array(fc.tuple(name, tie('value')), { maxLength: 4 })
        .map(all => `{${all.map(pair => pair.join(':')).join(' ,')}}`)
    )
  }))
  fc.assert(
    fc.property(value, text => {
      const whole = `{"root":${text}}`
      // Counted by hand: names in the text outside of strings, against members that survive the parser.
      const named = [...whole.matchAll(/"(?:[^"\\]|\\.)*"(?=:)/g)].filter(match => !isInside(whole, match.index)).length
      let kept = 0
      JSON.parse(whole, (_key, item) => {
        if (typeof item === 'object' && item !== null && !Array.isArray(item)) kept += Object.keys(item).length
        return item
      })
      try {
        scanMembers(Buffer.from(whole))
        return named === kept
      } catch (err) {
        return (err as GateError).code === 'TOLLGATE_INSPECT_DUPLICATE' && named > kept
      }
    })
  )
})

/** Whether an index of a JSON text is inside a string. */
function isInside(text: string, index: number): boolean {
  return [...text.matchAll(/"(?:[^"\\]|\\.)*"/g)].some(
    match => match.index < index && index < match.index + match[0].length
  )
}
