import { randomBytes } from 'node:crypto'
import type { Form } from '../exchange.ts'

const FIELD_NAME = /^[A-Za-z0-9_.-]{1,64}(?:\[\])?$/
const MEDIA_TYPE = /^(?:audio|video)\/[a-z0-9.+-]{1,64}$/

/**
 * Writes a form in the one way we write forms: fields in order, then the file. The name of the file is reduced to plain
 * letters and its type to one of sound or film, because engines open files by the one and pick decoders by the other.
 *
 * @param boundary from `newBoundary`
 * @throws TypeError when a name is none that `inspect` lets through, or the boundary occurs in what is written
 */
export function writeForm(form: Form, boundary: string): Buffer {
  const pieces: Buffer[] = []
  const add = (disposition: string, content: Buffer) => {
    if (content.includes(`--${boundary}`)) throw new TypeError('the boundary occurs in the form')
    pieces.push(Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; ${disposition}\r\n\r\n`))
    pieces.push(content, Buffer.from('\r\n'))
  }
  for (const [name, values] of form.fields) {
    if (!FIELD_NAME.test(name)) throw new TypeError('no plain name of a field')
    for (const value of values) add(`name="${name}"`, Buffer.from(value))
  }
  if (form.file !== null) {
    const { name, filename, type, bytes } = form.file
    const plainType = MEDIA_TYPE.test(type) ? type : 'application/octet-stream'
    add(`name="${name}"; filename="${plainFilename(filename)}"\r\nContent-Type: ${plainType}`, bytes)
  }
  pieces.push(Buffer.from(`--${boundary}--\r\n`))
  return Buffer.concat(pieces)
}

/** A boundary of 128 random bits: made after the body has come, so that no caller can have known it. */
export function newBoundary(): string {
  return `tollgate-${randomBytes(16).toString('hex')}`
}

/** The `Content-Type` of a form with this boundary. */
export function formContentType(boundary: string): string {
  return `multipart/form-data; boundary="${boundary}"`
}

/** The last segment of a path, in plain letters, at most 100 of them, the extension kept. Never empty or hidden. */
function plainFilename(filename: string): string {
  const last = filename.slice(Math.max(filename.lastIndexOf('/'), filename.lastIndexOf('\\')) + 1)
  const plain = last.replaceAll(/[^A-Za-z0-9._-]/gu, '_').replace(/\.+$/, '')
  const dot = plain.lastIndexOf('.')
  const extension = dot === -1 || dot === plain.length - 1 ? '' : plain.slice(dot, dot + 17)
  // A dash in front would be an option to a decoder that is a program.
  const stem = (dot === -1 ? plain : plain.slice(0, dot)).replace(/^[.-]+/, '')
  return `${(stem || 'file').slice(0, 100 - extension.length)}${extension}`
}
