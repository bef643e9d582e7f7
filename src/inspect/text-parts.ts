/**
 * What is known to be text and nothing else, by the members that are there: in messages, in the parts of their content,
 * and in the items of the Responses API. Whatever has a member that is not listed is not text.
 */
export type Fields = Readonly<Record<string, unknown>>

/** Members that hold a text or nothing, in a message and in a part: a list there could hold parts again. */
const TEXT_VALUED = [
  'text',
  'name',
  'refusal',
  'reasoning',
  'reasoning_content',
  'thinking',
  'signature',
  'data'
] as const

/** Members with which one engine or another takes media, wherever they stand. */
export const MEDIA_NAMES = [
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
  'image_embeds',
  'audio_embeds',
  'video_embeds',
  'multi_modal_data'
] as const
const MEDIA: ReadonlySet<string> = new Set(MEDIA_NAMES)

/**
 * Whether a value names media at any depth. For what engines render as text or take no notice of, and where callers write
 * members of their own: annotations, documents of a chat. Its depth is bounded by the reading of the body.
 */
export function namesMedia(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(namesMedia)
  return isRecord(value) && Object.entries(value).some(([name, inner]) => MEDIA.has(name) || namesMedia(inner))
}

/** The predicted output of a chat (OpenAI): a content of text. */
export function isTextPrediction(prediction: unknown): boolean {
  if (prediction === undefined || prediction === null) return true
  return isRecord(prediction) && hasOnly(prediction, PREDICTION) && isTextContent(prediction.content)
}

const PREDICTION = new Set(['type', 'content'])

const MESSAGE = new Set([
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

/** A chat message (OpenAI, Anthropic) whose content is text. One with an `audio: {id}` of an earlier answer is not. */
export function isTextMessage(message: unknown): boolean {
  if (!isRecord(message) || !hasOnly(message, MESSAGE) || !hasTexts(message)) return false
  return isTextContent(message.content) && !['annotations', 'prefix', 'partial'].some(name => namesMedia(message[name]))
}

/** A text, nothing, or a list of parts that are text. */
export function isTextContent(content: unknown): boolean {
  return isTextOrNothing(content) || (Array.isArray(content) && content.every(isTextPart))
}

const PART = new Set([
  'type',
  'text',
  'thinking',
  'refusal',
  'cache_control',
  'signature',
  'citations',
  'annotations',
  'logprobs'
])
/** Members of a part that may hold anything, and say nothing that an engine reads. */
const BESIDE_TEXT = ['annotations', 'citations', 'logprobs', 'cache_control'] as const
const PART_TYPES = new Set([
  'text',
  'input_text',
  'output_text',
  'summary_text',
  'reasoning_text',
  'refusal',
  'thinking'
])
/** What a model asked of a tool is rendered as text, whatever it holds; what the tool said may hold parts again. */
const TOOL_USE = new Set(['type', 'id', 'name', 'input', 'cache_control'])
const TOOL_RESULT = new Set(['type', 'tool_use_id', 'content', 'is_error', 'cache_control'])
const REDACTED = new Set(['type', 'data'])

function isTextPart(part: unknown): boolean {
  if (typeof part === 'string') return true
  if (!isRecord(part) || !hasTexts(part)) return false
  if (BESIDE_TEXT.some(name => namesMedia(part[name]))) return false
  switch (part.type) {
    case 'tool_use':
      return hasOnly(part, TOOL_USE)
    case 'tool_result':
      return hasOnly(part, TOOL_RESULT) && isTextContent(part.content)
    case 'redacted_thinking':
      return hasOnly(part, REDACTED)
    default:
      return hasOnly(part, PART) && typeof part.type === 'string' && PART_TYPES.has(part.type)
  }
}

const ITEM = new Set(['type', 'id', 'status', 'role', 'content', 'phase'])
const CALL = new Set(['type', 'id', 'status', 'call_id', 'name', 'arguments', 'input'])
const OUTPUT = new Set(['type', 'id', 'status', 'call_id', 'output'])
const REASONING = new Set(['type', 'id', 'status', 'summary', 'content', 'encrypted_content'])

/** An item of `input` of the Responses API that is text. */
export function isTextItem(item: unknown): boolean {
  if (typeof item === 'string') return true
  if (!isRecord(item)) return false
  switch (item.type) {
    case undefined:
    case 'message':
      return hasOnly(item, ITEM) && isTextContent(item.content)
    case 'function_call':
    case 'custom_tool_call':
      return hasOnly(item, CALL) && isTextOrNothing(item.arguments) && isTextOrNothing(item.input)
    case 'function_call_output':
    case 'custom_tool_call_output':
      return hasOnly(item, OUTPUT) && isTextContent(item.output)
    case 'reasoning':
      return hasOnly(item, REASONING) && isTextContent(item.summary) && isTextContent(item.content)
    default:
      return false
  }
}

/** A text, a list of texts, a list of token ids, or a list of such lists. */
export function isTextInput(input: unknown): boolean {
  if (typeof input === 'string') return true
  if (!Array.isArray(input)) return false
  return input.every(
    item =>
      typeof item === 'string' ||
      typeof item === 'number' ||
      (Array.isArray(item) && item.every(id => typeof id === 'number'))
  )
}

const DOCUMENT = new Set(['text', 'title', 'id'])

/** A document to rank: a text, or one with a title. */
export function isTextDocument(document: unknown): boolean {
  if (typeof document === 'string') return true
  return isRecord(document) && hasOnly(document, DOCUMENT) && Object.values(document).every(isTextOrNothing)
}

/** A text or nothing. */
export function isTextOrNothing(value: unknown): boolean {
  return value === undefined || value === null || typeof value === 'string'
}

/** An object of JSON that is no list. */
export function isRecord(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function hasOnly(record: Fields, names: ReadonlySet<string>): boolean {
  for (const name of Object.keys(record)) if (!names.has(name)) return false
  return true
}

function hasTexts(record: Fields): boolean {
  for (const name of TEXT_VALUED) if (!isTextOrNothing(record[name])) return false
  return true
}
