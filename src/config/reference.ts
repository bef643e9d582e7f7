import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { FileSchema } from './schema.ts'

type Schema = Readonly<Record<string, unknown>>

/** Every key of the file, for REFERENCE.md: name, kind, default, meaning, in the order of the schema. */
export function renderReference(): string {
  const rows = rowsOf(FileSchema as unknown as Schema, '')
  return `# Every key of the configuration

Generated from the schemas of the rooms by \`npm run docs\`. A key without a default must be given, or stands for something
that is off without it. Durations and sizes carry their unit: \`30s\`, \`5m\`, \`2MiB\`. \`\${env:NAME}\` and
\`\${file:PATH}\` work where a secret stands. Paths are relative to the folder of the file.

| key | kind | default | meaning |
|---|---|---|---|
${rows.join('\n')}
`
}

/** The JSON Schema for editors: what has a default may be left out. */
export function renderJsonSchema(): string {
  const schema = {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Tollgate',
    ...(relax(FileSchema) as object)
  }
  return `${JSON.stringify(schema, null, 2)}\n`
}

function rowsOf(schema: Schema, prefix: string): string[] {
  return Object.entries((schema.properties ?? {}) as Record<string, Schema>).flatMap(([name, member]) =>
    rowsOfMember(`${prefix}${name}`, member, ((schema.required ?? []) as string[]).includes(name))
  )
}

function rowsOfMember(name: string, schema: Schema, isRequired: boolean): string[] {
  const inner = innerOf(name, schema)
  const fallback = defaultText(schema, isRequired, inner.length > 0)
  return [`| \`${name}\` | ${kindText(schema)} | ${fallback} | ${cell(String(schema.description ?? ''))} |`, ...inner]
}

/** The keys below: of a map with fixed keys, of each item of a list, of each member of a map with free names. */
function innerOf(name: string, schema: Schema): string[] {
  if (schema.properties !== undefined) return rowsOf(schema, `${name}.`)
  const free = Object.values((schema.patternProperties ?? {}) as Record<string, Schema>)[0]
  if (free?.properties !== undefined) return rowsOf(free, `${name}.NAME.`)
  const objects = ((schema.anyOf ?? []) as Schema[]).filter(option => option.properties !== undefined)
  if (objects.length > 0) return objects.flatMap(option => rowsOf(option, `${name}.`))
  const item = schema.items as Schema | undefined
  const options = item === undefined ? [] : ((item.anyOf ?? [item]) as Schema[])
  return options.flatMap(option => (option.properties === undefined ? [] : rowsOf(option, `${name}[].`)))
}

function kindText(schema: Schema): string {
  if (Array.isArray(schema.enum)) return schema.enum.map(value => `\`${value}\``).join(', ')
  const expected = typeof schema.expected === 'string' ? cell(schema.expected) : null
  if (schema.secret === true) return `${expected ?? 'text'} (secret)`
  if (expected !== null) return expected
  if (schema.type === 'array') return `list: ${kindText((schema.items ?? {}) as Schema)}`
  return { string: 'text', object: 'map', integer: 'whole number', boolean: 'true or false' }[String(schema.type)] ?? ''
}

function defaultText(schema: Schema, isRequired: boolean, isParent: boolean): string {
  if (schema.default === undefined) return isRequired ? 'required' : ''
  return isParent && typeof schema.default === 'object' ? '' : `\`${JSON.stringify(schema.default)}\``
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|')
}

/** Takes out what editors would misread: required keys that have a default, and the notes for ourselves. */
function relax(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(relax)
  if (typeof value !== 'object' || value === null) return value
  const schema = value as Record<string, unknown>
  const result: Record<string, unknown> = {}
  for (const [key, inner] of Object.entries(schema)) {
    if (key === 'secret' || key === 'expected' || (key === 'format' && isOurFormat(inner))) continue
    result[key] = relax(inner)
  }
  const properties = schema.properties as Record<string, Schema> | undefined
  if (Array.isArray(schema.required) && properties !== undefined) {
    const required = schema.required.filter(name => properties[String(name)]?.default === undefined)
    if (required.length > 0) result.required = required
    else delete result.required
  }
  return result
}

function isOurFormat(format: unknown): boolean {
  return format === 'network' || format === 'time-zone' || format === 'key-url' || format === 'target-url'
}

if (import.meta.main) {
  const folder = resolve(import.meta.dirname, '../../config')
  writeFileSync(resolve(folder, 'REFERENCE.md'), renderReference())
  writeFileSync(resolve(folder, 'tollgate.schema.json'), renderJsonSchema())
}
