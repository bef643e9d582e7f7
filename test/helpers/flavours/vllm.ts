import { type Flavour, hasKey, isAnthropic, missingOf, recordOf } from './flavour.ts'

const GUARDED = ['/v1', '/v2', '/inference', '/cohere']
const error = (status: number, type: string, message: string, param: string | null = null) => ({
  status,
  body: { error: { message, type, param, code: status } }
})

/** vLLM (engines.md sections 1.1, 3 and 4). */
export const VLLM: Flavour = {
  checkKey(head, key) {
    const isGuarded = GUARDED.some(prefix => head.path.startsWith(prefix))
    return !isGuarded || hasKey(head, key) ? null : { status: 401, body: { error: 'Unauthorized' } }
  },
  judge(call, { models }) {
    const missing = missingOf(call)
    if (missing !== null) {
      const message = `1 validation error:\n  {'type': 'missing', 'loc': ('body', '${missing}'), 'msg': 'Field required'}`
      return error(400, 'Bad Request', message, `body.${missing}`)
    }
    const { model } = call.fields
    if (typeof model !== 'string' || model === '' || models.includes(model)) return null
    return error(404, 'NotFoundError', `The model \`${model}\` does not exist.`)
  },
  // No model, or an empty one, is the base model.
  modelOf: ({ fields }, { models }) => (typeof fields.model === 'string' && fields.model) || (models[0] ?? ''),
  isEarly: true,
  habit(call) {
    if (call.operation === 'transcription') return call.fields.stream_include_usage === 'true' ? 'usage' : 'plain'
    if (isAnthropic(call) || call.fields.stream_options === undefined) return 'plain'
    // Given at all, `include_usage` is on unless it says otherwise.
    const { include_usage: isWanted = true, continuous_usage_stats: isContinuous } = recordOf(
      call.fields.stream_options
    )
    if (isWanted !== true) return 'plain'
    return isContinuous === true ? 'continuous' : 'usage'
  },
  notices: () => true,
  saysWhenBroken: true,
  obeyed({ fields, operation }) {
    const outputs = recordOf(fields.structured_outputs)
    return [
      ...(typeof fields.model === 'string' && fields.model !== '' ? [] : ['the base model for no name']),
      ...['regex', 'grammar', 'structural_tag', 'whitespace_pattern'].filter(name => outputs[name] !== undefined),
      ...(operation === 'responses' && fields.background === true ? ['detached work'] : [])
    ]
  }
}
