import { Busboy } from '@fastify/busboy'
import { GateError } from '../errors.ts'
import type { Form, FormFile } from '../exchange.ts'

/** More fields than this are refused; a list counts each of its values. */
export const MAX_FIELDS = 32
/** A longer field is refused. */
export const MAX_FIELD_BYTES = 64 * 1024
const MAX_HEAD_BYTES = 4096

const FIELD_NAME = /^[A-Za-z0-9_.-]{1,64}(?:\[\])?$/
const FORM_TYPE = /^multipart\/form-data((?:\s*;\s*[a-z]+=(?:"[^"\\]*"|[^\s";,]+))*)\s*$/i
const FORM_PARAM = /([a-z]+)=(?:"([^"]*)"|([^\s";,]+))/gi
/** RFC 2046 section 5.1.1. */
const BOUNDARY = /^[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]$/
const HEAD_LINE = /^([A-Za-z][A-Za-z0-9-]*):([\t\x20-\x7e\x80-\xff]*)$/
const UTF8_PARAM = /;\s*charset\s*=\s*(?:utf-?8|"utf-?8")\s*(?=;|$)/gi
const AS_IT_IS = /^(?:7bit|8bit|binary)$/i

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Reads a form that is there in full. Forms that two readers could take for two things are refused, and what is read is
 * written anew by `shape` before it goes on, so that the engine's reader sees nothing that this one did not.
 *
 * Does NOT judge what the values mean, nor bound the file: the body came within a bound.
 *
 * @throws TOLLGATE_INSPECT_FORM with `why`
 * @throws TOLLGATE_INSPECT_DUPLICATE with `param`, the name that stands twice
 * @see RFC 7578, RFC 2046 section 5.1.1
 */
export async function readForm(body: Buffer, contentType: string): Promise<Form> {
  const boundary = readBoundary(contentType)
  const count = checkFrame(body, boundary)
  const parts = await parse(body, boundary)
  // The parser passes over a part whose head it cannot read.
  if (parts.length !== count) throw unreadable('a part without a name')
  return formFromParts(parts)
}

function unreadable(why: string, options?: ErrorOptions): GateError {
  return new GateError('TOLLGATE_INSPECT_FORM', { why }, options)
}

function readBoundary(contentType: string): string {
  const params = FORM_TYPE.exec(contentType)?.[1]
  if (params === undefined) throw unreadable('type')
  const found: string[] = []
  for (const [, name = '', quoted, plain = ''] of params.matchAll(FORM_PARAM)) {
    const value = quoted ?? plain
    if (/^boundary$/i.test(name)) found.push(value)
    else if (!/^charset$/i.test(name) || !/^utf-?8$/i.test(value)) throw unreadable('charset')
  }
  const [boundary, second] = found
  if (boundary === undefined || second !== undefined || !BOUNDARY.test(boundary)) throw unreadable('boundary')
  return boundary
}

/**
 * Walks from delimiter to delimiter, for what the parser lets pass: bytes before the first, after the last or behind one
 * on its line; heads with broken lines, or with a line that counts standing twice.
 *
 * @returns how many parts stand there
 */
function checkFrame(body: Buffer, boundary: string): number {
  const delimiter = Buffer.from(`\r\n--${boundary}`)
  let at = delimiter.length - 2
  if (!body.subarray(0, at).equals(delimiter.subarray(2))) throw unreadable('does not begin with the boundary')
  for (let parts = 0; ; parts++) {
    const next = body.toString('latin1', at, at + 2)
    if (next === '--') {
      const rest = body.subarray(at + 2)
      if (rest.length > 0 && !rest.equals(Buffer.from('\r\n'))) throw unreadable('goes on after its end')
      return parts
    }
    if (next !== '\r\n') throw unreadable('a boundary that is no line of its own')
    if (parts > MAX_FIELDS) throw unreadable('too many parts')
    const end = body.indexOf(delimiter, at + 2)
    if (end === -1) throw unreadable('no closing boundary')
    checkHead(body.subarray(at + 2, end))
    at = end + delimiter.length
  }
}

function checkHead(part: Buffer): void {
  const end = part.subarray(0, MAX_HEAD_BYTES).indexOf('\r\n\r\n')
  if (end === -1) throw unreadable('a part without a head')
  const head = new Map<string, string>()
  for (const line of part.toString('latin1', 0, end).split('\r\n')) {
    const [, name, value = ''] = HEAD_LINE.exec(line) ?? []
    if (name === undefined) throw unreadable('a head that is broken')
    if (head.has(name.toLowerCase())) throw unreadable('a head with a line twice')
    head.set(name.toLowerCase(), value.trim())
  }
  if (!AS_IT_IS.test(head.get('content-transfer-encoding') ?? 'binary')) throw unreadable('transfer encoding')
  if (/charset/i.test(head.get('content-type')?.replaceAll(UTF8_PARAM, '') ?? '')) throw unreadable('charset')
}

interface Part {
  readonly name: string | undefined
  readonly filename: string | undefined
  readonly type: string
  readonly pieces: readonly Buffer[]
}

/** Takes every part for a file, because only those come as bytes. No limits: the parser would cut without a word. */
function parse(body: Buffer, boundary: string): Promise<readonly Part[]> {
  return new Promise((resolve, reject) => {
    const refuse = (cause: unknown) => reject(unreadable('parser', { cause }))
    const parts: Part[] = []
    const parser = new Busboy({
      headers: { 'content-type': `multipart/form-data; boundary="${boundary}"` },
      isPartAFile: () => true,
      preservePath: true
    })
    parser.on('file', (name: string | undefined, stream, filename: string | undefined, _encoding, type) => {
      const pieces: Buffer[] = []
      parts.push({ name, filename, type, pieces })
      // A stream that nobody reads would hold up all that follow.
      stream.on('data', (piece: Buffer) => pieces.push(piece))
      stream.on('error', refuse)
    })
    parser.on('error', refuse)
    parser.on('finish', () => resolve(parts))
    try {
      parser.end(body)
    } catch (cause) {
      refuse(cause)
    }
  })
}

function formFromParts(parts: readonly Part[]): Form {
  const fields = new Map<string, string[]>()
  let file: FormFile | null = null
  let count = 0
  for (const { name, filename, type, pieces } of parts) {
    if (name === undefined) throw unreadable('a part without a name')
    if (!FIELD_NAME.test(name)) throw unreadable('a name that is not plain')
    const bytes = pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces)
    if (filename !== undefined) {
      if (file !== null) throw unreadable('more than one file')
      // Engines would take a file for any field, and `model` for one.
      if (name !== 'file') throw unreadable('a file that is not called file')
      file = { name, filename, type, bytes }
    } else {
      if (++count > MAX_FIELDS) throw unreadable('too many fields')
      const values = fields.get(name) ?? []
      if (values.length > 0 && !name.endsWith('[]')) throw new GateError('TOLLGATE_INSPECT_DUPLICATE', { param: name })
      fields.set(name, values)
      values.push(decode(bytes))
    }
  }
  if (file !== null && fields.has('file')) throw new GateError('TOLLGATE_INSPECT_DUPLICATE', { param: 'file' })
  return { fields, file }
}

function decode(bytes: Buffer): string {
  if (bytes.length > MAX_FIELD_BYTES) throw unreadable('a field that is too long')
  let text: string
  try {
    text = strictUtf8.decode(bytes)
  } catch (cause) {
    throw unreadable('no UTF-8', { cause })
  }
  // Some readers drop a byte order mark, others take it for a letter.
  if (text.charCodeAt(0) === 0xfeff) throw unreadable('byte order mark')
  return text
}
