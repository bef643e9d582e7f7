import { GateError } from '../errors.ts'
import { type Fields, isRecord } from './json.ts'

/** From where pictures, sound and video may come. `data:` URLs may always. */
export interface MediaPolicy {
  /** Exact names of hosts, https and port 443 alone; empty: `data:` alone. */
  readonly hosts: ReadonlySet<string>
}

/** Members whose text engines open as a URL or, some of them, as a file of their own disk (engines.md section 2). */
const REFERENCES = new Set([
  'url',
  'image_url',
  'audio_url',
  'video_url',
  'file_url',
  'image',
  'audio',
  'video',
  'input_image',
  'input_audio',
  'input_video',
  'image_data',
  'audio_data',
  'video_data',
  'images',
  'audios',
  'videos',
  'file',
  'files',
  'urls',
  'path'
])
/** Members by which an engine would take what another caller has stored there, or what it cannot check. */
const FOREIGN = new Set(['uuid', 'file_id', 'file_path', 'mm_hashes', 'time_series', 'time_series_url'])
/** Members whose text is the medium itself, in base64: `input_audio.data`, Anthropic's `source.data`. */
const ENCODED = new Set(['data', 'file_data'])

/** Members of the outermost object that describe things to the model, in words that no engine opens. */
const SPOKEN = new Set([
  'tools',
  'functions',
  'response_format',
  'structured_outputs',
  'guided_json',
  'metadata',
  'text'
])

/** Kinds that engines are fed with. Others have decoders that nobody looks after (engines.md section 2, row 11). */
const KINDS = [
  'image/(?:png|jpe?g|pjpeg|webp|gif|bmp|x-ms-bmp|avif|hei[cf])',
  'audio/(?:wav|wave|x-wav|vnd\\.wave|mpe?g|mp3|mp4|m4a|x-m4a|aac|flac|x-flac|ogg|opus|webm|l16|pcm)',
  // A list of pictures is a film to vLLM.
  'video/(?:mp4|webm|mpeg|ogg|quicktime|x-matroska|x-msvideo|avi|jpeg)'
]
const DATA_URL = new RegExp(`^data:(?:${KINDS.join('|')})(?:;[a-z0-9=-]{1,64}){0,3};base64,`, 'i')
/** How JPEG 2000 begins, boxed or bare, whatever kind it is said to be: engines look at the bytes (CVE-2026-22778). */
const JPEG_2000 = /^(?:AAAADGpQICANCocK|[/_]0[/_]{2}U)/
const DOCUMENT_URL = /^data:application\/pdf;base64,/i
const MIN_BASE64_CHARS = 256
/** No file of an engine can be named by a text of this length (PATH_MAX of Linux). */
const NO_PATH_CHARS = 4_096
/**
 * How a shorter one begins: as PNG, JPEG, WebP and WAV, GIF, BMP, the MP4 family, MP3 with a tag, Ogg, FLAC, Matroska or PDF.
 * Base64 has slashes, so that `////etc/…` would be a path, and so would `/proc/self/root/…` again and again.
 */
const SHORT_MEDIUM =
  /^(?:iVBORw0KGg|\/9j\/|UklGR|R0lGOD|Qk|AAAA[A-Za-z0-9+/]{2}Z0eX[A-D]|SUQz|T2dnU|ZkxhQ|GkXfo|JVBERi)/
const BASE64_HEAD = /^[A-Za-z0-9+/_-]+={0,2}$/
const HEAD_CHARS = 4_096

/**
 * Refuses media that an engine would fetch or read from its disk: everything but `data:` URLs and named https hosts.
 * Goes through the whole body, because engines take such members at many places and whatever `type` says.
 *
 * @throws TOLLGATE_SHAPE_MEDIA with `param`, the name of the member
 */
export function checkMedia(body: Fields, policy: MediaPolicy): void {
  for (const [name, value] of Object.entries(body)) if (!SPOKEN.has(name)) check(name, value, policy)
}

function check(name: string, value: unknown, policy: MediaPolicy): void {
  if (FOREIGN.has(name) && value !== null) throw refused(name)
  if (typeof value === 'string') {
    if (REFERENCES.has(name) && !isAllowed(value, policy)) throw refused(name)
    if (ENCODED.has(name) && !isEncoded(value)) throw refused(name)
  } else if (Array.isArray(value)) {
    for (const item of value) check(name, item, policy)
  } else if (isRecord(value)) {
    // What a tool was asked is rendered as text: its members are no media.
    const isToolUse = value.type === 'tool_use' || value.type === 'function_call'
    for (const [inner, item] of Object.entries(value)) {
      if (!isToolUse || (inner !== 'input' && inner !== 'arguments')) check(inner, item, policy)
    }
  }
}

function isAllowed(text: string, { hosts }: MediaPolicy): boolean {
  if (isDataUrl(text)) return true
  if (hosts.size === 0 || !text.startsWith('https://') || text.length > 4_096 || !URL.canParse(text)) return false
  const url = new URL(text)
  const isPlain = url.username === '' && url.password === '' && url.port === '' && /^[\x21-\x5b\x5d-\x7e]+$/.test(text)
  // As it is written and as it is read: two readers must not find two hosts in it.
  return isPlain && hosts.has(url.hostname) && text.slice('https://'.length).startsWith(url.hostname)
}

function isEncoded(text: string): boolean {
  return (
    isDataUrl(text) ||
    (text.length >= MIN_BASE64_CHARS &&
      (text.length >= NO_PATH_CHARS || SHORT_MEDIUM.test(text)) &&
      BASE64_HEAD.test(text.slice(0, HEAD_CHARS - (HEAD_CHARS % 4))) &&
      !JPEG_2000.test(text))
  )
}

function isDataUrl(text: string): boolean {
  const [head] = DATA_URL.exec(text) ?? DOCUMENT_URL.exec(text) ?? []
  return head !== undefined && !JPEG_2000.test(text.slice(head.length, head.length + 16))
}

function refused(param: string): GateError {
  return new GateError('TOLLGATE_SHAPE_MEDIA', { param })
}
