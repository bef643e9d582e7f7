import { GateError } from '../errors.ts'
import type { Call, Content, Form } from '../exchange.ts'
import { isBodiless } from './content.ts'
import type { Endpoint, Found } from './endpoints.ts'
import { isTextOnly } from './multimodal.ts'
import { type ReadContent, readObject } from './object.ts'

/** What a model may be called. */
export const MODEL = /^[\x21-\x7e](?:[\x20-\x7e]{0,254}[\x21-\x7e])?$/

/** A call, and the body that it was read from. */
export interface ReadCall {
  readonly call: Call
  readonly content: ReadContent | null
}

/**
 * Reads what is asked from the bytes of the body. Changes nothing: that is for `shape`, when the engine is known.
 *
 * @throws TOLLGATE_INSPECT_JSON when the body is no JSON object in UTF-8
 * @throws TOLLGATE_INSPECT_DUPLICATE, TOLLGATE_INSPECT_DEPTH
 * @throws TOLLGATE_INSPECT_FIELD with `param`
 */
export function readCall(
  { endpoint, urlModel }: Found,
  body: Buffer | null,
  aliases: ReadonlyMap<string, string>
): ReadCall {
  const { operation, method, path, scope, pool } = endpoint
  const base = { operation, method, path, routeScope: scope, routePool: pool }
  if (isBodiless(endpoint)) {
    const model = urlModel === null ? null : (aliases.get(urlModel) ?? urlModel)
    const call = { ...base, kind: endpoint.kind, model, modelAsked: urlModel, isStream: false }
    return { call, content: null }
  }
  const content = readObject(body ?? Buffer.alloc(0))
  const { fields } = content
  const modelAsked = readModel(fields, endpoint)
  const kind = endpoint.kind === 'text' && !isTextOnly(operation, fields) ? 'multimodal' : endpoint.kind
  const call = {
    ...base,
    kind,
    model: modelAsked === null ? null : (aliases.get(modelAsked) ?? modelAsked),
    modelAsked,
    isStream: readStream(fields)
  }
  return { call, content }
}

/**
 * Reads what is asked from a form. `stream` is a word there.
 * @throws TOLLGATE_INSPECT_FIELD with `param`
 */
export function readFormCall({ endpoint }: Found, form: Form, aliases: ReadonlyMap<string, string>): Call {
  const { operation, method, path, kind, scope, pool } = endpoint
  const one = (name: string) => form.fields.get(name)?.[0]
  const modelAsked = one('model')
  if (modelAsked === undefined || !MODEL.test(modelAsked)) {
    throw new GateError('TOLLGATE_INSPECT_FIELD', { param: 'model' })
  }
  const stream = one('stream')
  if (stream !== undefined && !/^(true|false)$/i.test(stream)) {
    throw new GateError('TOLLGATE_INSPECT_FIELD', { param: 'stream' })
  }
  if (form.file === null) throw new GateError('TOLLGATE_INSPECT_FIELD', { param: 'file' })
  return {
    operation,
    method,
    path,
    kind,
    routeScope: scope,
    routePool: pool,
    model: aliases.get(modelAsked) ?? modelAsked,
    modelAsked,
    isStream: stream?.toLowerCase() === 'true'
  }
}

function readModel(fields: Content['fields'], endpoint: Endpoint): string | null {
  const model = Object.hasOwn(fields, 'model') ? fields.model : undefined
  // Engines take a missing model for one of their own choice: nobody has been allowed that one.
  if (model === undefined && endpoint.model === 'optional') return null
  if (typeof model !== 'string' || !MODEL.test(model)) throw new GateError('TOLLGATE_INSPECT_FIELD', { param: 'model' })
  return model
}

function readStream(fields: Content['fields']): boolean {
  const stream = Object.hasOwn(fields, 'stream') ? fields.stream : undefined
  if (stream === undefined || stream === null) return false
  if (typeof stream !== 'boolean') throw new GateError('TOLLGATE_INSPECT_FIELD', { param: 'stream' })
  return stream
}
