/** A body for every operation, as a caller wrote it: odd blanks, a number beyond JavaScript, `1.0`, and no plain ASCII. */
export const BODIES: Readonly<Record<string, string>> = {
  chat: '{ "model":"m", "seed": 9223372036854775807, "temperature":1.0,"messages":[{"role":"user","content":"Grüße 你好"}],"max_tokens": 8 }',
  completions: '{"model":"m","prompt":["Once"],  "seed": 9223372036854775807,"temperature":1.0}',
  responses: '{"model":"m","input":"Grüße","temperature":1.0,"store":false,"background": false}',
  messages: '{"model":"m","max_tokens":8,"messages":[{"role":"user","content":"Grüße"}],"temperature":1.0}',
  count_tokens: '{"model":"m","messages":[{"role":"user","content":"Grüße"}]}',
  embeddings: '{"model":"m","input":["a","b"],"dimensions":4}',
  embed: '{"model":"m","texts":["x"],"input_type":"search_query","embedding_types":["float"]}',
  rerank: '{"model":"m","query":"q","documents":["a","b"],"top_n":2}',
  score: '{"model":"m","text_1":"a","text_2":["b"]}',
  classify: '{"model":"m","input":"a"}',
  pooling: '{"model":"m","input":"a"}',
  tokenize: '{"model":"m","prompt":"Good morning","input":"Good morning"}',
  detokenize: '{"model":"m","tokens":[15, 2]}',
  generate: '{"model":"m","prompt":"Once","max_tokens":5}'
}

/** A body with more members at its end. */
export function bodyOf(operation: string, more = ''): string {
  return (BODIES[operation] ?? '{}').replace(/ ?\}$/, `${more === '' ? '' : `,${more}`}}`)
}

/** A form with sound. */
export function soundForm(fields: Record<string, string> = {}): FormData {
  const form = new FormData()
  for (const [name, value] of Object.entries({ model: 'm', ...fields })) form.append(name, value)
  form.append('file', new Blob([Buffer.from('RIFF....WAVEfmt ')], { type: 'audio/wav' }), '../../etc/hello.wav')
  return form
}

/** The data of the events of a stream, without `[DONE]`. */
export function dataOf(stream: string): readonly string[] {
  const lines = stream.split('\n').filter(line => line.startsWith('data: '))
  return lines.map(line => line.slice('data: '.length)).filter(data => data !== '[DONE]')
}
