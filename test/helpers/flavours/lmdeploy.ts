import { type Flavour, fastapi422, hasKey, isAnthropic, missingOf, recordOf } from './flavour.ts'

const OPEN = ['/health', '/docs', '/redoc', '/nodes']
const flat = (status: number, type: string, message: string) => ({
  status,
  body: { message, type, code: status, param: null, object: 'error' }
})
const anthropic = (status: number, type: string, message: string) => ({
  status,
  body: { type: 'error', error: { type, message } }
})

/** LMDeploy (engines.md sections 1.3, 3 and 4), with a Starlette that takes the path from the Host header (section 2, row 2). */
export const LMDEPLOY: Flavour = {
  checkKey(head, key) {
    const url = `http://${head.headers.host ?? ''}${head.path}`
    const seen = URL.canParse(url) ? new URL(url).pathname : head.path
    return OPEN.some(prefix => seen.startsWith(prefix)) || hasKey(head, key)
      ? null
      : { status: 401, body: { error: 'Unauthorized' } }
  },
  judge(call, { models }) {
    if (isAnthropic(call) && call.headers['anthropic-version'] === undefined) {
      return anthropic(400, 'invalid_request_error', 'Missing required header: anthropic-version')
    }
    const missing = missingOf(call)
    if (missing !== null) return fastapi422(missing, call.fields)
    const { model } = call.fields
    const isNamed = ['chat', 'completions', 'messages', 'count_tokens'].includes(call.operation) || model !== undefined
    if (!isNamed || models.includes(String(model))) return null
    const message = `The model '${model}' does not exist.`
    return isAnthropic(call) ? anthropic(404, 'not_found_error', message) : flat(404, 'not_found_error', message)
  },
  modelOf: ({ fields }, { models }) => (typeof fields.model === 'string' ? fields.model : (models[0] ?? '')),
  isEarly: true,
  // Usage comes at the end or not at all.
  habit: call =>
    !isAnthropic(call) && recordOf(call.fields.stream_options).include_usage === true ? 'usage' : 'plain',
  notices: () => true,
  saysWhenBroken: true,
  obeyed: ({ fields }) => (recordOf(fields.response_format).type === 'regex_schema' ? ['grammar'] : [])
}
