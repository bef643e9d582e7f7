import type { IncomingHttpHeaders } from 'node:http'
import type { Obeys } from './fixtures.ts'

type Fields = Readonly<Record<string, unknown>>

/** Members whose text engines fetch, or open as a file of their own disk (engines.md section 2, rows 9 and 10). */
const OPENED = new Set([
  'url',
  'image_url',
  'audio_url',
  'video_url',
  'file_url',
  'image',
  'audio',
  'video',
  'image_data',
  'audio_data',
  'video_data',
  'images',
  'audios',
  'videos',
  'objects'
])
/** Nested lists of parameters that are read like the outermost members. */
const NESTED = new Set(['sampling_params', 'chat_template_kwargs', 'parameters'])
/** Tools that run on the caller's side. */
const CALLERS_TOOLS = new Set<unknown>([undefined, 'function', 'custom'])

/** What obeying a call does besides answering it: one entry each, in words. */
export function damageOf(fields: Fields, headers: IncomingHttpHeaders, obeys: Obeys): readonly string[] {
  const found: string[] = []
  for (const [name, effect] of Object.entries(obeys.headers)) {
    if (headers[name] !== undefined) found.push(`${effect}: header ${name}`)
  }
  const read = (of: unknown, where: string) => {
    if (Array.isArray(of)) for (const one of of) read(one, where)
    else if (typeof of === 'object' && of !== null) {
      for (const [name, value] of Object.entries(of)) {
        const effect = Object.hasOwn(obeys.fields, name) ? obeys.fields[name] : undefined
        if (effect !== undefined && value !== null && value !== false) found.push(`${effect}: ${where}${name}`)
        if (NESTED.has(name)) read(value, `${name}.`)
      }
    }
  }
  read(fields, '')
  const tools: unknown = fields.tools
  if (Array.isArray(tools)) {
    for (const tool of tools) if (!CALLERS_TOOLS.has(tool?.type)) found.push(`runs a tool: ${tool?.type}`)
  }
  open(fields, '', found)
  return found
}

function open(value: unknown, name: string, found: string[]): void {
  if (typeof value === 'string') {
    if (OPENED.has(name) && !value.startsWith('data:')) {
      found.push(`${/^https?:/.test(value) ? 'fetched' : 'read'}: ${value}`)
    }
  } else if (Array.isArray(value)) {
    for (const item of value) open(item, name, found)
  } else if (typeof value === 'object' && value !== null) {
    if ('uuid' in value) found.push("another's media: uuid")
    for (const [inner, item] of Object.entries(value)) open(item, inner, found)
  }
}
