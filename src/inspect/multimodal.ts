import {
  type Fields,
  isTextContent,
  isTextDocument,
  isTextInput,
  isTextItem,
  isTextMessage,
  isTextOrNothing,
  isTextPrediction,
  MEDIA_NAMES,
  namesMedia
} from './text-parts.ts'

/**
 * Tells whether the body of a call asks for anything but text. Decides by the members that are there, not by what
 * `type` says, because engines read `{"type":"text","image_url":…}` as a picture (engines.md section 1.5). Whatever is
 * not known to be text is not text.
 */
export function isTextOnly(operation: string, body: Fields): boolean {
  for (const name of MEDIA_MEMBERS) if (Object.hasOwn(body, name)) return false
  const isText = TEXT_BODIES.get(operation)
  return isText?.(body) === true
}

/** Operation → whether what it works on is text. Members that another operation would take are no text here. */
const TEXT_BODIES: ReadonlyMap<string, (body: Fields) => boolean> = new Map([
  [
    'chat',
    ({ messages, prediction, documents }) =>
      areTextMessages(messages) && isTextPrediction(prediction) && !namesMedia(documents)
  ],
  ['completions', ({ prompt, messages }) => messages === undefined && isTextInput(prompt)],
  ['responses', isTextResponse],
  ['messages', isTextAnthropic],
  ['count_tokens', isTextAnthropic],
  ['embeddings', isTextForInput],
  ['classify', isTextForInput],
  ['pooling', isTextForInput],
  ['embed', ({ texts, inputs, messages }) => isNothing(inputs, messages) && isTextInput(texts)],
  [
    'rerank',
    ({ query, documents, messages }) => isNothing(messages) && isTextDocument(query) && areDocuments(documents)
  ],
  ['score', isTextScore],
  [
    'tokenize',
    ({ prompt, messages, input }) =>
      input === undefined && (messages === undefined ? isTextInput(prompt) : areTextMessages(messages))
  ],
  ['detokenize', ({ tokens }) => isTextInput(tokens)],
  [
    'generate',
    ({ text, prompt, input_ids: ids }) => [text, prompt, ids].every(one => one === undefined || isTextInput(one))
  ]
])

function areTextMessages(messages: unknown): boolean {
  return Array.isArray(messages) && messages.every(isTextMessage)
}

function areDocuments(documents: unknown): boolean {
  return Array.isArray(documents) && documents.every(isTextDocument)
}

function isTextResponse({ input, instructions, messages, prompt }: Fields): boolean {
  if (!isNothing(messages, prompt) || !isTextOrNothing(instructions)) return false
  return typeof input === 'string' || (Array.isArray(input) && input.every(isTextItem))
}

function isTextAnthropic({ system, messages }: Fields): boolean {
  return isTextContent(system) && areTextMessages(messages)
}

function isTextForInput({ input, messages }: Fields): boolean {
  return isNothing(messages) && isTextInput(input)
}

const SCORED = ['text_1', 'text_2', 'queries', 'documents', 'query', 'items', 'data_1', 'data_2'] as const

function isTextScore(body: Fields): boolean {
  return isNothing(body.messages) && SCORED.every(name => body[name] === undefined || isTextInput(body[name]))
}

function isNothing(...values: readonly unknown[]): boolean {
  return values.every(value => value === undefined || value === null)
}

/** Top-level members with which one engine or another takes media, embeddings or how to decode them. */
const MEDIA_MEMBERS = [
  ...MEDIA_NAMES,
  'objects',
  'prompt_embeds',
  'input_embeds',
  'positional_embed_overrides',
  'features',
  'mm_data_mooncake',
  'mm_hashes',
  'media_io_kwargs',
  'mm_processor_kwargs',
  'images_config',
  'max_dynamic_patch',
  'file',
  'files',
  'urls',
  'time_series'
] as const
