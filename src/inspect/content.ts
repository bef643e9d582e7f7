import type { IncomingHttpHeaders } from 'node:http'
import { GateError } from '../errors.ts'
import type { Bytes } from '../units.ts'
import type { Endpoint } from './endpoints.ts'

/** What stands behind it is judged by the reader of forms. */
const FORM_TYPE = /^multipart\/form-data\s*;/i
const JSON_TYPE = /^application\/json(?:\s*;\s*charset\s*=\s*"?utf-8"?)?\s*$/i

/** Whether a request of this route has no body. */
export function isBodiless({ model }: Endpoint): boolean {
  return model === 'none' || model === 'path' || model === 'events'
}

/**
 * Judges what the headers say of the body, before a byte of it is read.
 *
 * @throws TOLLGATE_INSPECT_TYPE when it is not plain JSON, or no form where one belongs, or there is one where none belongs
 * @throws TOLLGATE_INSPECT_SIZE when its declared length is over the limit
 */
export function checkContent(endpoint: Endpoint, headers: IncomingHttpHeaders, limitBytes: Bytes): void {
  const length = headers['content-length']
  if (isBodiless(endpoint)) {
    if (headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0')) {
      throw new GateError('TOLLGATE_INSPECT_TYPE', { why: 'a body where none belongs' })
    }
    return
  }
  const encoding = headers['content-encoding']
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    // No decompression: a few bytes could become gigabytes, and the engine would not see what was judged.
    throw new GateError('TOLLGATE_INSPECT_TYPE', { why: 'encoded' })
  }
  const expected = endpoint.model === 'form' ? FORM_TYPE : JSON_TYPE
  if (!expected.test(headers['content-type'] ?? '')) throw new GateError('TOLLGATE_INSPECT_TYPE', { why: 'type' })
  if (length !== undefined && Number(length) > limitBytes) {
    throw new GateError('TOLLGATE_INSPECT_SIZE', { limitBytes, declaredBytes: Number(length) })
  }
}
