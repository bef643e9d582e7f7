import { isIP } from 'node:net'
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv'
import { maskedUrl } from '../masked-url.ts'
import { inNetworks } from '../networks.ts'
import { type Finding, type Path, pathText, suggest } from './faults.ts'
import { FileSchema } from './schema.ts'

type Schema = Readonly<Record<string, unknown>>

const LOOPBACK = /^(localhost|127(?:\.\d{1,3}){3}|\[::1\])$/
/** Where clouds keep their credentials, and addresses that mean "here". No engine and no key set lives there. */
const isForbidden = inNetworks(['169.254.0.0/16', '0.0.0.0/8', 'fe80::/10', '::'])

/**
 * Compares a value with the schema of its file, the configuration's unless given, and puts its defaults in place.
 * @returns every difference, in the words of the person who edits the file
 */
export function checkShape(value: unknown, schema: object = FileSchema): readonly Finding[] {
  const validate = validatorOf(schema)
  if (validate(value)) return []
  const errors = validate.errors ?? []
  return errors.filter(error => !isEchoOfUnion(error, errors)).map(error => findingFrom(error, value))
}

/** True where the schema marks a secret. */
export function isSecretPath(path: Path): boolean {
  return schemasAt(FileSchema as unknown as Schema, path).some(schema => schema.secret === true)
}

/** What a key is called that holds a secret, or the file of one: what stands there may be the secret itself. */
const SECRET_NAME = /(?:^|_)(?:key|secret|token|password)$/
const MAPS_AND_LISTS: readonly unknown[] = ['object', 'array']

/**
 * True where the schema, the configuration's unless given, knows a name; for a value, where it wants a single one that is no
 * secret.
 */
export function isHarmless(path: Path, is: 'name' | 'value', schema: object = FileSchema): boolean {
  const found = schemasAt(schema as Schema, path)
  if (is === 'name') return found.length > 0
  const isSecret = found.some(one => one.secret === true) || SECRET_NAME.test(String(path.at(-1)))
  return !isSecret && found.some(one => !MAPS_AND_LISTS.includes(one.type))
}

/** What a schema comes to is the same each time, and takes longer than the rest of a reload. */
const compiled = new WeakMap<object, ValidateFunction>()

/**
 * Half of the time that a schema takes, at each start, is for a faster validator, and for the schema of schemas, which the tests
 * compare ours with.
 */
const COMPILING = { code: { optimize: false }, validateSchema: false, meta: false } as const

function validatorOf(schema: object): ValidateFunction {
  const known = compiled.get(schema)
  if (known !== undefined) return known
  const ajv = new Ajv({ ...COMPILING, allErrors: true, useDefaults: true, verbose: true, strict: false })
  ajv.addFormat('network', isNetwork)
  ajv.addFormat(
    'key-url',
    text => isPlainUrl(text) && (text.startsWith('https:') || LOOPBACK.test(new URL(text).hostname))
  )
  ajv.addFormat('time-zone', isTimeZone)
  ajv.addFormat('target-url', text => isPlainUrl(text) && !/[?#]/.test(text) && new URL(text).pathname === '/')
  const validate = ajv.compile(schema)
  compiled.set(schema, validate)
  return validate
}

function isNetwork(text: string): boolean {
  const [address = '', prefix, more] = text.split('/')
  const family = isIP(address)
  if (family === 0 || more !== undefined) return false
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128))
}

function isTimeZone(text: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: text }) !== null
  } catch {
    return false
  }
}

function isPlainUrl(text: string): boolean {
  if (!/^https?:\/\//.test(text) || !URL.canParse(text)) return false
  const { username, password, hostname } = new URL(text)
  const host = hostname.replace(/^\[|\]$/g, '')
  const family = isIP(host)
  return username === '' && password === '' && (family === 0 || !isForbidden(host))
}

/** A value that fits none of several shapes gets one sentence, not one for each shape. */
function isEchoOfUnion(error: ErrorObject, all: readonly ErrorObject[]): boolean {
  const unions = all.filter(({ keyword }) => keyword === 'anyOf')
  const deeper = (union: ErrorObject) => all.some(other => other.instancePath.startsWith(`${union.instancePath}/`))
  if (error.keyword === 'anyOf') return deeper(error)
  return unions.some(
    union =>
      error.schemaPath.startsWith(`${union.schemaPath}/`) &&
      !(deeper(union) && error.keyword === 'additionalProperties') &&
      error.instancePath === union.instancePath
  )
}

function findingFrom(error: ErrorObject, root: unknown): Finding {
  const path = pathFrom(error.instancePath, root)
  const where = pathText(path)
  const schema = (error.parentSchema ?? {}) as Schema
  switch (error.keyword) {
    case 'additionalProperties': {
      const key = String(error.params.additionalProperty)
      const known = Object.keys((schema.properties ?? {}) as object)
      const near = suggest(key, known)
      // Between braces, 'token:secret' without a space is one name.
      const isShown = near !== undefined || /^[A-Za-z_-]{1,40}$/.test(key)
      const message = `unknown key${isShown ? ` "${key}"` : ''}${where === '' ? '' : ` in ${where}`}`
      return {
        code: 'E201',
        path: [...path, key],
        at: 'key',
        message,
        hint: near ?? `known keys: ${known.join(', ')}`,
        ...(isShown ? {} : { hidesName: true as const })
      }
    }
    case 'required': {
      const key = String(error.params.missingProperty)
      return { code: 'E202', path, at: 'key', message: `${where === '' ? 'the file' : where} needs the key "${key}"` }
    }
    case 'enum': {
      const allowed = (error.params.allowedValues as unknown[]).map(String)
      const hint = typeof error.data === 'string' ? suggest(error.data, allowed) : undefined
      const message = `${where} is ${shown(error.data)}; allowed: ${allowed.join(', ')}`
      return { code: 'E205', path, at: 'value', message, ...(hint === undefined ? {} : { hint }) }
    }
    case 'minProperties':
    case 'minItems':
      return { code: 'E205', path, at: 'key', message: `${where} must not be empty` }
    default: {
      const isUnquoted = schema.type === 'string' && (typeof error.data === 'number' || typeof error.data === 'boolean')
      const message = `${where === '' ? 'the file' : where} must be ${expectedOf(schema, error)}`
      return { code: 'E205', path, at: 'value', message, ...(isUnquoted ? { hint: 'quote it' } : {}) }
    }
  }
}

const KINDS: Readonly<Record<string, string>> = {
  string: 'a text',
  object: 'a map of keys',
  array: 'a list',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false'
}

function expectedOf(schema: Schema, error: ErrorObject): string {
  if (typeof schema.expected === 'string') return schema.expected
  if (error.keyword === 'minimum' || error.keyword === 'maximum')
    return `${error.params.comparison} ${error.params.limit}`
  if (error.keyword === 'minLength') return 'a text that is not empty'
  return KINDS[String(schema.type)] ?? 'something else'
}

/** Shows a value that is no secret, shortly. What is below a map or a list may be one. */
function shown(data: unknown): string {
  if (typeof data === 'string') return `"${maskedUrl(data).slice(0, 40)}"`
  if (typeof data === 'object' && data !== null) return Array.isArray(data) ? 'a list' : 'a map of keys'
  return JSON.stringify(data) ?? 'missing'
}

/** Ajv's JSON pointer, with the indexes of lists as numbers. */
function pathFrom(pointer: string, root: unknown): Path {
  const path: (string | number)[] = []
  let value = root
  for (const raw of pointer.split('/').slice(1)) {
    const part = raw.replaceAll('~1', '/').replaceAll('~0', '~')
    path.push(Array.isArray(value) ? Number(part) : part)
    value = typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[part] : undefined
  }
  return path
}

function schemasAt(schema: Schema, path: Path): readonly Schema[] {
  const here = Array.isArray(schema.anyOf) ? (schema.anyOf as Schema[]) : [schema]
  const [part, ...rest] = path
  if (part === undefined) return here
  return here.flatMap(option => {
    const next =
      typeof part === 'number'
        ? (option.items as Schema | undefined)
        : ((option.properties as Record<string, Schema> | undefined)?.[part] ??
          Object.values((option.patternProperties as Record<string, Schema> | undefined) ?? {})[0])
    return next === undefined ? [] : schemasAt(next, rest)
  })
}
