import type TypeBox from 'typebox'

export type { Static, TSchema } from 'typebox'

type Options = Readonly<Record<string, unknown>>
type Schema = object

/** Marks a member that may be missing. Not enumerable: it is no part of the schema. */
const OPTIONAL = Symbol('optional')

/**
 * Builders of JSON Schemas, with the types and the results of TypeBox's.
 *
 * TypeBox itself is only a source of types here: it takes a fifth of the time of a start to load, for eleven functions.
 */
export const Type = {
  String: (options: Options = {}) => ({ type: 'string', ...options }),
  Integer: (options: Options = {}) => ({ type: 'integer', ...options }),
  Number: (options: Options = {}) => ({ type: 'number', ...options }),
  Boolean: (options: Options = {}) => ({ type: 'boolean', ...options }),
  Enum: (values: readonly unknown[], options: Options = {}) => ({ enum: values, ...options }),
  Union: (anyOf: readonly Schema[], options: Options = {}) => ({ anyOf, ...options }),
  Array: (items: Schema, options: Options = {}) => ({ type: 'array', items, ...options }),
  Record: (_key: Schema, value: Schema, options: Options = {}) => ({
    type: 'object',
    patternProperties: { '^.*$': value },
    ...options
  }),
  Object(properties: Readonly<Record<string, Schema>>, options: Options = {}) {
    const required = Object.keys(properties).filter(name => !(OPTIONAL in (properties[name] ?? {})))
    return { type: 'object', ...(required.length > 0 && { required }), properties, ...options }
  },
  Unsafe: (schema: Schema) => schema,
  Optional: (schema: Schema) => Object.defineProperty({ ...schema }, OPTIONAL, { value: true })
} as unknown as Pick<
  typeof TypeBox,
  'String' | 'Integer' | 'Number' | 'Boolean' | 'Enum' | 'Union' | 'Array' | 'Record' | 'Object' | 'Unsafe' | 'Optional'
>
