import type Typebox from 'typebox'

/**
 * Builds JSON schemas whose types are typebox's. Of the library nothing is loaded: its four hundred modules took a tenth of the
 * time in which a gateway starts, and more of that of its commands.
 *
 * It makes the words that a configuration needs; those that schemas carry for the library's own checks are not there.
 */
type Builder = Pick<
  typeof Typebox,
  'Array' | 'Boolean' | 'Enum' | 'Integer' | 'Number' | 'Object' | 'Optional' | 'Record' | 'String' | 'Union' | 'Unsafe'
>
type Schema = Readonly<Record<string, unknown>>

const optional = new WeakSet<Schema>()

function optionalOf(schema: Schema): Schema {
  const copy = { ...schema }
  optional.add(copy)
  return copy
}

function objectOf(properties: Readonly<Record<string, Schema>>, rest: Schema = {}): Schema {
  const required = Object.keys(properties).filter(name => !optional.has(properties[name] as Schema))
  return { type: 'object', ...(required.length > 0 ? { required } : {}), properties, ...rest }
}

function recordOf(key: Schema, value: Schema, rest: Schema = {}): Schema {
  return { type: 'object', patternProperties: { [String(key.pattern ?? '^.*$')]: value }, ...rest }
}

// The library's types are the reason for this: what is built has the shape that they say.
export const Type = {
  Array: (items: Schema, rest: Schema = {}) => ({ type: 'array', items, ...rest }),
  Boolean: (rest: Schema = {}) => ({ type: 'boolean', ...rest }),
  Enum: (values: readonly unknown[], rest: Schema = {}) => ({ enum: values, ...rest }),
  Integer: (rest: Schema = {}) => ({ type: 'integer', ...rest }),
  Number: (rest: Schema = {}) => ({ type: 'number', ...rest }),
  Object: objectOf,
  Optional: optionalOf,
  Record: recordOf,
  String: (rest: Schema = {}) => ({ type: 'string', ...rest }),
  Union: (anyOf: readonly Schema[], rest: Schema = {}) => ({ anyOf, ...rest }),
  Unsafe: (schema: Schema) => ({ ...schema })
} as unknown as Builder
