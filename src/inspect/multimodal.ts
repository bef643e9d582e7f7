/**
 * Tells whether the body of a call asks for anything but text. Decides by the members that are there, not by what
 * `type` says, because engines read `{"type":"text","image_url":…}` as a picture (engines.md section 1.5). Whatever is
 * not known to be text is not text.
 */
export function isTextOnly(operation: string, body: Readonly<Record<string, unknown>>): boolean {
  for (const name of MEDIA_MEMBERS) if (Object.hasOwn(body, name)) return false
  if (operation === 'chat') return Array.isArray(body.messages) && body.messages.every(isTextMessage)
  if (Object.hasOwn(body, 'messages')) return false
  if (operation === 'completions') return isTextInput(body.prompt)
  if (operation === 'embeddings') return isTextInput(body.input)
  return false
}

/** Top-level members with which one engine or another takes media, embeddings or how to decode them. */
const MEDIA_MEMBERS = [
  'image_url',
  'audio_url',
  'video_url',
  'input_audio',
  'input_image',
  'input_video',
  'input_file',
  'image',
  'audio',
  'video',
  'image_data',
  'audio_data',
  'video_data',
  'images',
  'audios',
  'videos',
  'objects',
  'prompt_embeds',
  'input_embeds',
  'image_embeds',
  'audio_embeds',
  'video_embeds',
  'positional_embed_overrides',
  'features',
  'mm_data_mooncake',
  'mm_hashes',
  'media_io_kwargs',
  'mm_processor_kwargs',
  'multi_modal_data',
  'images_config',
  'max_dynamic_patch'
] as const

const MESSAGE_MEMBERS = new Set([
  'role',
  'content',
  'name',
  'tool_calls',
  'tool_call_id',
  'function_call',
  'refusal',
  'reasoning',
  'reasoning_content',
  'annotations',
  'tools',
  'thinking',
  'prefix',
  'partial'
])

/** Members that hold a text or nothing, in a message and in a part: a list there could hold parts again. */
const TEXT_VALUED = ['text', 'name', 'refusal', 'reasoning', 'reasoning_content', 'thinking'] as const

const PART_MEMBERS = new Set(['type', 'text', 'thinking', 'refusal', 'cache_control', 'signature'])
const PART_TYPES = new Set(['text', 'input_text', 'output_text', 'refusal', 'thinking'])

function isTextMessage(message: unknown): boolean {
  if (!isRecord(message)) return false
  for (const name of Object.keys(message)) if (!MESSAGE_MEMBERS.has(name)) return false
  if (!TEXT_VALUED.every(name => isTextOrNothing(message[name]))) return false
  // A message with an `audio: {id}` of an earlier answer falls out above: it is no text.
  const { content } = message
  return (
    content === undefined ||
    content === null ||
    typeof content === 'string' ||
    (Array.isArray(content) && content.every(isTextPart))
  )
}

function isTextPart(part: unknown): boolean {
  if (typeof part === 'string') return true
  if (!isRecord(part)) return false
  for (const name of Object.keys(part)) if (!PART_MEMBERS.has(name)) return false
  if (!TEXT_VALUED.every(name => isTextOrNothing(part[name]))) return false
  return typeof part.type === 'string' && PART_TYPES.has(part.type)
}

/** A text, a list of texts, a list of token ids, or a list of such lists. */
function isTextInput(input: unknown): boolean {
  if (typeof input === 'string') return true
  if (!Array.isArray(input)) return false
  return input.every(
    item =>
      typeof item === 'string' ||
      typeof item === 'number' ||
      (Array.isArray(item) && item.every(id => typeof id === 'number'))
  )
}

function isTextOrNothing(value: unknown): boolean {
  return value === undefined || value === null || typeof value === 'string'
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
