import fc from 'fast-check'
import t from 'tap'
import type { Content } from '../../src/exchange.ts'
import { scanMembers } from '../../src/inspect/json-scan.ts'
import { type Edits, splice } from '../../src/shape/splice.ts'

const contentOf = (text: string): Content => {
  const bytes = Buffer.from(text)
  return { bytes, members: scanMembers(bytes).members, fields: JSON.parse(text) }
}
const edit = (text: string, of: { set?: object; remove?: string[]; rename?: object }) =>
  splice(contentOf(text), {
    set: new Map(Object.entries(of.set ?? {})),
    remove: new Set(of.remove),
    rename: new Map(Object.entries(of.rename ?? {}))
  } as Edits).toString()

t.test('what is not edited does not change by a byte', async t => {
  const text = '{ "seed":9223372036854775807 ,\n "top_p": 1.0, "model" :  "a" , "y":"\\u00e9\\"model\\":1"}'
  t.equal(edit(text, { set: { model: '"b"' } }), text.replace('"a"', '"b"'))
  t.equal(edit(text, {}), text)
  t.equal(
    edit(text, { remove: ['model'] }),
    '{ "seed":9223372036854775807 ,\n "top_p": 1.0 , "y":"\\u00e9\\"model\\":1"}'
  )
})

t.test('members are left out at the beginning, in the middle, at the end, and all of them', async t => {
  const text = '{"a":1,"b":[2],"c":{"d":3}}'
  t.equal(edit(text, { remove: ['a'] }), '{"b":[2],"c":{"d":3}}')
  t.equal(edit(text, { remove: ['b'] }), '{"a":1,"c":{"d":3}}')
  t.equal(edit(text, { remove: ['c'] }), '{"a":1,"b":[2]}')
  t.equal(edit(text, { remove: ['a', 'b'] }), '{"c":{"d":3}}')
  t.equal(edit(text, { remove: ['b', 'c'] }), '{"a":1}')
  t.equal(edit(text, { remove: ['a', 'b', 'c'] }), '{}')
  t.equal(edit(text, { remove: ['a', 'b', 'c'], set: { x: '1', y: '2' } }), '{"x":1,"y":2}')
  t.equal(edit('{}', { set: { x: '1' } }), '{"x":1}')
  t.equal(edit(' { } ', { set: { x: '1' } }).replaceAll(' ', ''), '{"x":1}')
})

t.test('a member takes another name, with another value or its own', async t => {
  t.equal(edit('{"old" : 5,"z":1}', { rename: { old: 'new' } }), '{"new":5,"z":1}')
  t.equal(edit('{"old":5}', { rename: { old: 'new' }, set: { old: '6' } }), '{"new":6}')
})

t.test('whatever the text and the edits, the result says what the edits say', async () => {
  const names = fc.constantFrom('a', 'b', 'c', 'd "q"', 'é', '__proto__x')
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.tuple(names, fc.jsonValue({ maxDepth: 3 })), { selector: ([name]) => name }),
      fc.dictionary(names, fc.jsonValue({ maxDepth: 2 })),
      fc.array(names),
      fc.constantFrom(0, 1, '\t'),
      (members, set, remove, indent) => {
        const before = Object.fromEntries(members)
        const text = JSON.stringify(before, null, indent)
        const gone = remove.filter(name => !Object.hasOwn(set, name))
        const after = edit(text, {
          set: Object.fromEntries(Object.entries(set).map(([name, value]) => [name, JSON.stringify(value)])),
          remove: gone
        })
        const expected: Record<string, unknown> = { ...before, ...set }
        for (const name of gone) delete expected[name]
        const ordered = (value: object) => JSON.stringify(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
        return ordered(JSON.parse(after)) === ordered(JSON.parse(JSON.stringify(expected)))
      }
    )
  )
})
