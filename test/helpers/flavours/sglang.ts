import { type Flavour, fastapi422, hasKey, isAnthropic, missingOf, recordOf } from './flavour.ts'

/** SGLang (engines.md sections 1.2, 3 and 4). */
export const SGLANG: Flavour = {
  checkKey(head, key) {
    const isOpen = head.method === 'OPTIONS' || head.path.startsWith('/health') || head.path.startsWith('/metrics')
    return isOpen || hasKey(head, key) ? null : { status: 401, body: { error: 'Unauthorized' } }
  },
  judge(call, { models }) {
    const missing = missingOf(call)
    if (missing !== null) return fastapi422(missing, call.fields)
    // Any name of a model is served; an adapter behind a colon must be there.
    const adapter = adapterOf(call.fields)
    if (adapter === null || models.includes(adapter) || models.includes(String(call.fields.model))) return null
    const message = `Got LoRA adapter that has never been loaded: {'${adapter}'}`
    return { status: 400, body: { object: 'error', message, type: 'BadRequestError', param: null, code: 400 } }
  },
  modelOf: ({ fields }) => (typeof fields.model === 'string' ? fields.model : 'default'),
  // "Kick-start the generator to trigger validation before HTTP 200 is sent": the head waits for the first chunk.
  isEarly: false,
  habit(call) {
    const { include_usage: isWanted, continuous_usage_stats: isContinuous } = recordOf(call.fields.stream_options)
    if (isAnthropic(call) || isWanted !== true) return 'plain'
    return isContinuous === true ? 'continuous' : 'usage'
  },
  notices: () => true,
  saysWhenBroken: true,
  obeyed({ fields, operation }) {
    const adapter = adapterOf(fields)
    const format = recordOf(fields.response_format)
    return [
      ...(adapter === null ? [] : [`adapter ${adapter}`]),
      ...(format.type === 'structural_tag' ? ['grammar'] : []),
      // On by default, in memory, for whoever knows the id.
      ...(operation === 'responses' && fields.store !== false ? ['stored'] : [])
    ]
  }
}

/** `base:adapter` chooses an adapter. `lora_path` is in `obeys.json`. */
function adapterOf({ model }: Readonly<Record<string, unknown>>): string | null {
  if (typeof model !== 'string' || !model.includes(':')) return null
  return model.slice(model.indexOf(':') + 1)
}
