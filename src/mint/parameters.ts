import { GateError } from '../errors.ts'
import { Members } from '../json-members.ts'

/** What a request to the mint says: each parameter once, none empty. */
export type Parameters = ReadonlyMap<string, string>

/** The most bytes of a request to the mint. */
export const MAX_BODY_BYTES = 8_192
const MAX_PARAMETERS = 32
/** A token, an API key and a password are shorter. */
const MAX_VALUE = 4_096

const FORM_TYPE = /^application\/x-www-form-urlencoded(?:\s*;\s*charset\s*=\s*"?utf-8"?)?\s*$/i
const JSON_TYPE = /^application\/json(?:\s*;\s*charset\s*=\s*"?utf-8"?)?\s*$/i

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Reads the body of a request to the mint.
 *
 * A parameter without a value is one that was left out (RFC 6749 section 3.2); one that stands twice refuses the request. Of
 * a JSON object every member must be a text. Parameters that nobody knows are passed over, as the RFC asks.
 *
 * @throws TOLLGATE_MINT_TYPE for any other type of body, or an encoded one
 * @throws TOLLGATE_MINT_REQUEST with `reason`
 */
export function readParameters(
  body: Buffer,
  head: { readonly type: string | undefined; readonly encoding: string | undefined; readonly mayBeJson: boolean }
): Parameters {
  const type = head.type ?? ''
  const isJson = head.mayBeJson && JSON_TYPE.test(type)
  if (head.encoding !== undefined || !(isJson || FORM_TYPE.test(type))) throw new GateError('TOLLGATE_MINT_TYPE')
  const found = new Map<string, string>()
  const seen = new Set<string>()
  for (const [name, value] of isJson ? jsonPairs(body) : formPairs(body)) {
    if (seen.has(name)) throw malformed('duplicated')
    if (seen.size >= MAX_PARAMETERS) throw malformed('too_many')
    if (value.length > MAX_VALUE) throw malformed('too_long')
    seen.add(name)
    if (value !== '') found.set(name, value)
  }
  return found
}

/** Of a form, and of each half of an `Authorization: Basic` (RFC 6749 section 2.3.1). @throws TOLLGATE_MINT_REQUEST */
export function decodeForm(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    throw malformed('encoding')
  }
}

function formPairs(body: Buffer): readonly (readonly [string, string])[] {
  const text = textOf(body)
  if (text === '') return []
  return text.split('&').map(pair => {
    const at = pair.indexOf('=')
    return at === -1 ? [decodeForm(pair), ''] : [decodeForm(pair.slice(0, at)), decodeForm(pair.slice(at + 1))]
  })
}

function jsonPairs(body: Buffer): readonly (readonly [string, string])[] {
  let value: unknown
  try {
    value = JSON.parse(textOf(body))
  } catch {
    throw malformed('json')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed('json')
  const fields = value as Record<string, unknown>
  const pairs: (readonly [string, string])[] = []
  const members = new Members()
  members.open(body, body.indexOf('{'))
  // By the text, not by the object: that one has forgotten what stood twice.
  while (members.next()) {
    const name = members.name()
    const text = Object.hasOwn(fields, name) ? fields[name] : undefined
    if (typeof text !== 'string') throw malformed('no_text')
    pairs.push([name, text])
  }
  return pairs
}

function textOf(body: Buffer): string {
  try {
    return strictUtf8.decode(body)
  } catch {
    throw malformed('encoding')
  }
}

function malformed(reason: string): GateError {
  return new GateError('TOLLGATE_MINT_REQUEST', { reason })
}
