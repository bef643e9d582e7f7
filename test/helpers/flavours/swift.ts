import { type Flavour, fastapi422, hasKey, missingOf } from './flavour.ts'

const error = (message: string) => ({ status: 400, body: { message, object: 'error' } })

/** ms-swift `swift deploy` (engines.md sections 1.4, 3, 4 and 6). */
export const SWIFT: Flavour = {
  // Inside the handlers of calls, behind the reading of the body; everything else is open.
  checkKey: () => null,
  judge(call, { models, key }) {
    const missing = missingOf(call)
    if (missing !== null) return fastapi422(missing, call.fields)
    const { model } = call.fields
    if (!models.includes(String(model))) {
      return error(`\`${model}\` is not in the model_list: \`[${models.map(name => `'${name}'`).join(', ')}]\`.`)
    }
    return key === null || hasKey(call, key) ? null : error('API key error')
  },
  modelOf: ({ fields }) => String(fields.model),
  isEarly: true,
  // Cumulative usage in every chunk, whatever `stream_options` says: its one recording has it.
  habit: () => 'plain',
  notices: isStream => isStream,
  saysWhenBroken: false,
  obeyed: ({ fields }) => [
    // It knows the older name alone.
    ...(fields.max_completion_tokens !== undefined && fields.max_tokens === undefined
      ? ['an answer without a bound']
      : [])
  ]
}
