import t from 'tap'
import TypeBox from 'typebox'
import { Type } from '../src/schema-types.ts'

/** Of each builder something, and of each option. */
function build(by: typeof Type): object {
  const name = by.String({ minLength: 1, description: 'A name.' })
  return by.Object(
    {
      name,
      count: by.Optional(by.Integer({ minimum: 1, default: 3 })),
      share: by.Number(),
      isOn: by.Boolean({ default: false }),
      mode: by.Enum(['a', 'b'], { description: 'How.' }),
      either: by.Optional(by.Union([name, by.Array(name, { minItems: 1 })], { expected: 'one or more' })),
      each: by.Record(by.String(), by.Object({}), { minProperties: 1 }),
      any: by.Unsafe<string | number>({ type: ['integer', 'string'] })
    },
    { additionalProperties: false }
  )
}

t.test('schemas are the same as those of TypeBox', async t => {
  t.equal(JSON.stringify(build(Type)), JSON.stringify(build(TypeBox)))
  t.equal(
    JSON.stringify(Type.Object({ a: Type.Optional(Type.String()) })),
    JSON.stringify(TypeBox.Object({ a: TypeBox.Optional(TypeBox.String()) }))
  )
})
