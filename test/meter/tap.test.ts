import fc from 'fast-check'
import t from 'tap'
import type { UsageMode } from '../../src/engines/usage.ts'
import type { Tap } from '../../src/exchange.ts'
import { createTaps } from '../../src/meter/tap.ts'
import { usageOptions } from '../../src/shape/stream-usage.ts'
import { cutAt, cuts } from '../helpers/cut.ts'
import { exchangeTo, MEND, NATIVE } from '../helpers/exchanges.ts'
import { askedOf, eventsOf, type Flavour, type Made, totalsOf } from '../helpers/usage-streams.ts'

const SSE = { 'content-type': 'text/event-stream' }
const JSON_TYPE = { 'content-type': 'application/json' }

/** What a stream of tokens may say, and what would lead a careless reader astray. */
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.constantFrom(
    '"usage":{"prompt_tokens":9}',
    ',"usage":{}}',
    'usage',
    '\\',
    '\\"',
    'data: [DONE]\n\n',
    '{"choices":[],"usage":{"prompt_tokens":1}}',
    '\r\n\r\n',
    '"tool_calls":',
    '"finish_reason":"stop"',
    'é漢🙂'
  )
)

const made: fc.Arbitrary<Made> = fc
  .record({
    operation: fc.constantFrom('chat', 'completions'),
    choices: fc.integer({ min: 1, max: 3 }),
    prompts: fc.array(fc.nat(500), { minLength: 1, maxLength: 2 })
  })
  .chain(({ operation, choices, prompts: several }) => {
    const prompts = operation === 'chat' ? several.slice(0, 1) : several
    return fc.record({
      operation: fc.constant(operation as Made['operation']),
      choices: fc.constant(choices),
      prompts: fc.constant(prompts),
      steps: fc.array(
        fc.record({
          choice: fc.nat(choices * prompts.length - 1),
          text,
          tokens: fc.nat(9),
          isTool: operation === 'chat' ? fc.boolean() : fc.constant(false)
        }),
        { minLength: 1, maxLength: 12 }
      ),
      cached: fc.option(fc.nat(100)),
      reasoning: fc.nat(50),
      fingerprint: fc.option(fc.constant('vllm-0.32.0-ab12cd34'))
    })
  })

const flag = fc.constantFrom(true, false, null, undefined)
const own = fc.option(
  fc.record({ include_usage: flag, continuous_usage_stats: flag, other: fc.constantFrom(undefined, 7) }),
  { nil: undefined }
)

const flavours: fc.Arbitrary<[Flavour, Exclude<UsageMode, 'off'>]> = fc.constantFrom(
  ['vllm', 'exact'],
  ['vllm', 'final'],
  ['sglang', 'exact'],
  ['sglang', 'final'],
  ['lmdeploy', 'final'],
  ['lmdeploy', 'exact'],
  ['openai', 'final']
)

const run = (tap: Tap, pieces: readonly Buffer[]) => {
  const out: Buffer[] = []
  for (const piece of pieces) {
    const passed = tap.chunk(piece)
    if (passed !== null) out.push(passed)
  }
  return out
}

/** A call through `shape` and its tap: what was asked of the engine, and the tap that sees the answer. */
function callOf(
  flavour: Flavour,
  mode: Exclude<UsageMode, 'off'>,
  of: Made,
  options: unknown,
  tapFor = createTaps(MEND)
) {
  const exchange = exchangeTo({ engine: flavour, operation: of.operation })
  const asked = usageOptions({
    mode,
    call: exchange.call,
    target: exchange.target,
    fields: { n: of.choices, prompt: of.operation === 'chat' ? undefined : of.prompts.map(() => 'x') },
    own: options === undefined ? null : JSON.stringify(options)
  })
  exchange.reporting = asked.reporting
  const tap = tapFor(exchange)
  if (tap === null) throw new Error('no tap')
  tap.head(SSE, true)
  return { tap, sent: asked.text === null ? options : JSON.parse(asked.text) }
}

/** Another stream of the same engine has gone by before. */
function acquainted(flavour: Flavour, of: Made) {
  const tapFor = createTaps(MEND)
  const first = { ...of, choices: 1, prompts: [1], steps: [{ choice: 0, text: 'a', tokens: 1, isTool: false }] }
  const { tap, sent } = callOf(flavour, 'exact', first, undefined, tapFor)
  run(tap, [Buffer.from(eventsOf(flavour, first, askedOf(flavour, sent)).join(''))])
  return tapFor
}

t.test('a caller sees byte for byte what the engine would have sent without the gate asking', async () => {
  fc.assert(
    fc.property(flavours, made, own, cuts, fc.boolean(), ([flavour, mode], of, options, places, isFirst) => {
      // What vLLM calls itself is learned from the first stream; one with several answers cannot wait for it.
      const isKnown = !isFirst || of.choices * of.prompts.length > 1
      const { tap, sent } = callOf(flavour, mode, of, options, isKnown ? acquainted(flavour, of) : createTaps(MEND))
      const stream = Buffer.from(eventsOf(flavour, of, askedOf(flavour, sent)).join(''))
      const out = run(tap, cutAt(stream, places))
      const rest = tap.end()
      const seen = Buffer.concat(rest === null ? out : [...out, rest]).toString()
      const expected = eventsOf(flavour, of, askedOf(flavour, options)).join('')
      if (seen !== expected) throw new Error(`${seen}\n--- instead of ---\n${expected}`)
    }),
    { numRuns: 300 }
  )
})

t.test('what goes on ends with an event, and an event goes on with the piece that ends it', async () => {
  fc.assert(
    fc.property(flavours, made, own, cuts, ([flavour, mode], of, options, places) => {
      const { tap, sent } = callOf(flavour, mode, of, options, acquainted(flavour, of))
      const reads = askedOf(flavour, options)
      const events = eventsOf(flavour, of, askedOf(flavour, sent))
      const hides = events.join('') !== eventsOf(flavour, of, reads).join('')
      if (!hides) return true
      let came = ''
      let seen = ''
      for (const piece of cutAt(Buffer.from(events.join('')), places)) {
        came += piece.toString('latin1')
        seen += tap.chunk(piece)?.toString('latin1') ?? ''
        if (seen !== '' && !seen.endsWith('\n\n')) return false
        // As many events as have come whole, but for the one with the usage of the call.
        const count = (stream: string) => stream.split('\n\n').length - 1
        const whole = count(came)
        if (count(seen) < whole - 1) return false
      }
      return true
    })
  )
})

t.test('the usage is what the engine said: of the whole call, or up to where it ended', async () => {
  fc.assert(
    fc.property(flavours, made, own, cuts, fc.nat(30), ([flavour, mode], of, options, places, upTo) => {
      const { tap, sent } = callOf(flavour, mode, of, options)
      const asked = askedOf(flavour, sent)
      const events = eventsOf(flavour, of, asked)
      const came = events.slice(0, upTo)
      run(tap, cutAt(Buffer.from(came.join('')), places))
      const { source, inputTokens, cachedInputTokens, outputTokens, reasoningTokens } = tap.usage()
      if (came.length >= events.length - 1) {
        const { input, output } = totalsOf(of)
        return (
          source === 'engine_final' &&
          inputTokens === input &&
          outputTokens === output &&
          reasoningTokens === of.reasoning &&
          (flavour === 'openai' ? (of.cached ?? 0) : of.cached) === cachedInputTokens
        )
      }
      // The plain way: every event is parsed, and the last of each choice counts.
      const last = new Map<number, { prompt_tokens: number; completion_tokens: number }>()
      for (const event of came) {
        const { choices, usage } = JSON.parse(event.slice(6))
        if (usage) last.set(choices[0].index, usage)
      }
      const output = [...last.values()].reduce((sum, usage) => sum + usage.completion_tokens, 0)
      const byPrompt = new Map([...last].map(([index, usage]) => [Math.floor(index / of.choices), usage.prompt_tokens]))
      const input = [...byPrompt.values()].reduce((sum, tokens) => sum + tokens, 0)
      if (last.size === 0) return source === 'none' && inputTokens === null && outputTokens === null
      return source === 'engine_partial' && inputTokens === input && outputTokens === output
    }),
    { numRuns: 200 }
  )
})

t.test('an explicit 0 is 0, and what nobody said is null', async t => {
  const tapFor = createTaps(MEND)
  const tap = tapFor(exchangeTo({ engine: 'vllm', operation: 'chat', reporting: NATIVE }))
  tap?.head(SSE, true)
  tap?.chunk(Buffer.from('data: {"choices":[],"usage":{"prompt_tokens":0,"completion_tokens":0}}\n\n'))
  t.strictSame(tap?.usage(), {
    source: 'engine_final',
    inputTokens: 0,
    cachedInputTokens: null,
    outputTokens: 0,
    reasoningTokens: null,
    audioSeconds: null
  })
})

t.test('ms-swift tells of the whole call in every chunk: the last one counts, and nothing is hidden', async t => {
  const chunk = (tokens: number) =>
    `data: {"model": "m", "choices": [{"index": 1, "delta": {"content": "é"}}], "usage": {"prompt_tokens": 7, "completion_tokens": ${tokens}, "total_tokens": 9}, "id": "x", "object": "chat.completion.chunk"}\n\n`
  const tap = createTaps(MEND)(exchangeTo({ engine: 'swift', operation: 'chat', reporting: { ...NATIVE, choices: 2 } }))
  tap?.head(SSE, true)
  const pieces = [chunk(1), chunk(2)].map(text => Buffer.from(text))
  t.strictSame(
    pieces.map(piece => tap?.chunk(piece)),
    pieces
  )
  t.match(tap?.usage(), { source: 'engine_partial', inputTokens: 7, outputTokens: 2 })
  tap?.chunk(Buffer.from('data: [DONE]\n\n'))
  t.match(tap?.usage(), { source: 'engine_final', inputTokens: 7, outputTokens: 2 })
})

t.test('an error in the stream leaves what was said before as a part', async t => {
  const { tap } = callOf('vllm', 'exact', { ...SMALL }, undefined)
  tap.chunk(Buffer.from('data: {"choices":[{"index":0}],"usage":{"prompt_tokens":3,"completion_tokens":2}}\n\n'))
  t.equal(
    tap.chunk(Buffer.from('data: {"error":{"message":"x"}}\n\n'))?.toString(),
    'data: {"error":{"message":"mended"}}\n\n'
  )
  tap.chunk(Buffer.from('data: [DONE]\n\n'))
  tap.end()
  t.match(tap.usage(), { source: 'engine_partial', inputTokens: 3, outputTokens: 2 })
})

const SMALL: Made = {
  operation: 'chat',
  choices: 1,
  prompts: [3],
  steps: [{ choice: 0, text: 'hi', tokens: 2, isTool: false }],
  cached: null,
  reasoning: 0,
  fingerprint: null
}

t.test('events that cannot be read go on as they are, and are counted', async t => {
  const { tap } = callOf('vllm', 'exact', SMALL, undefined)
  t.equal(tap.chunk(Buffer.from('data: hello\n\n'))?.toString(), 'data: hello\n\n')
  const long = Buffer.from(`data: {"x":"${'y'.repeat(1024 * 1024)}`)
  t.equal(tap.chunk(long), long)
  t.equal(tap.unread, 2)
})

t.test('a stream that ends without an empty line is read to its end', async t => {
  const { tap } = callOf('vllm', 'exact', SMALL, undefined)
  t.equal(tap.chunk(Buffer.from('data: {"choices":[{"index":0}],"usage":{"prompt_tokens":3}}\n')), null)
  t.equal(tap.end()?.toString(), 'data: {"choices":[{"index":0}]}\n')
  t.match(tap.usage(), { source: 'engine_final', inputTokens: 3 })
})

t.test('answers in one piece: the usage is read, the bytes are the same object', async t => {
  const cases: [string, string, object][] = [
    [
      'chat',
      '{"choices":[{"message":{"content":",\\"usage\\":{}"},"usage":{"prompt_tokens":1}}],"usage":{"prompt_tokens":5,"completion_tokens":6,"prompt_tokens_details":{"cached_tokens":4}},"prompt_logprobs":null}',
      { inputTokens: 5, outputTokens: 6, cachedInputTokens: 4 }
    ],
    [
      'responses',
      '{"output":[],"usage":{"input_tokens":5,"output_tokens":6,"output_tokens_details":{"reasoning_tokens":2}}}',
      { inputTokens: 5, outputTokens: 6, reasoningTokens: 2 }
    ],
    [
      'messages',
      '{"type":"message","usage":{"input_tokens":5,"output_tokens":6,"cache_read_input_tokens":3,"cache_creation_input_tokens":1}}',
      { inputTokens: 9, cachedInputTokens: 3, outputTokens: 6 }
    ],
    [
      'embeddings',
      '{"data":[{"embedding":[0.5]}],"usage":{"prompt_tokens":8,"total_tokens":8}}',
      { inputTokens: 8, outputTokens: null }
    ],
    ['rerank', '{"id":"x","usage":{"prompt_tokens":8,"total_tokens":8},"results":[{"index":0}]}', { inputTokens: 8 }],
    [
      'rerank',
      '[{"score":1,"meta_info":{"prompt_tokens":3}},{"score":0,"meta_info":{"prompt_tokens":4}}]',
      { inputTokens: 7 }
    ],
    ['embed', '{"embeddings":{},"meta":{"billed_units":{"input_tokens":2,"image_tokens":3}}}', { inputTokens: 5 }],
    ['transcription', '{"text":"a","usage":{"type":"duration","seconds":12}}', { audioSeconds: 12, inputTokens: null }],
    [
      'transcription',
      '{"text":"a","usage":{"type":"tokens","input_tokens":3,"output_tokens":4}}',
      { inputTokens: 3, outputTokens: 4 }
    ],
    [
      'generate',
      '{"text":"a","meta_info":{"prompt_tokens":3,"completion_tokens":4,"cached_tokens":1}}',
      { inputTokens: 3, outputTokens: 4, cachedInputTokens: 1 }
    ],
    [
      'generate',
      '[{"meta_info":{"prompt_tokens":3,"completion_tokens":4}},{"meta_info":{"prompt_tokens":1,"completion_tokens":2}}]',
      { inputTokens: 4, outputTokens: 6 }
    ]
  ]
  for (const [operation, body, expected] of cases) {
    const tap = createTaps(MEND)(exchangeTo({ engine: 'vllm', operation, isStream: false, reporting: NATIVE }))
    tap?.head(JSON_TYPE, false)
    const piece = Buffer.from(body)
    t.equal(tap?.chunk(piece), piece, operation)
    t.match(tap?.usage(), { source: 'engine_final', ...expected }, `${operation} ${body.slice(0, 60)}`)
  }
})

t.test('vLLM tells of embeddings that are bytes in a header', async t => {
  const tap = createTaps(MEND)(exchangeTo({ engine: 'vllm', operation: 'embeddings', reporting: NATIVE }))
  tap?.head({ 'content-type': 'application/octet-stream', metadata: '{"usage":{"prompt_tokens":4}}' }, false)
  tap?.chunk(Buffer.from([1, 2, 3]))
  t.match(tap?.usage(), { source: 'engine_final', inputTokens: 4 })
})

t.test('responses and messages tell by themselves', async t => {
  const read = (operation: string, events: readonly string[]) => {
    const tap = createTaps(MEND)(exchangeTo({ engine: 'vllm', operation, reporting: NATIVE }))
    tap?.head(SSE, true)
    const bytes = Buffer.from(events.join(''))
    t.equal(tap?.chunk(bytes), bytes)
    return tap?.usage()
  }
  const event = (type: string, data: object) => `event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`
  for (const type of ['response.completed', 'response.incomplete', 'response.failed']) {
    const usage = { input_tokens: 3, output_tokens: 4, input_tokens_details: { cached_tokens: 2 } }
    t.match(
      read('responses', [
        event('response.created', { response: { usage: null } }),
        event('response.output_text.delta', { delta: '"usage":{"input_tokens":9}' }),
        event(type, { sequence_number: 9, response: { status: 'x', usage } })
      ]),
      { source: 'engine_final', inputTokens: 3, cachedInputTokens: 2, outputTokens: 4 }
    )
  }
  t.match(read('responses', [event('response.created', { response: { usage: null } })]), { source: 'none' })
  const start = (usage: object) => event('message_start', { message: { role: 'assistant', usage } })
  const delta = (usage: object) => event('message_delta', { delta: { stop_reason: 'end_turn' }, usage })
  t.match(
    read('messages', [
      start({ input_tokens: 3, output_tokens: 0 }),
      delta({ output_tokens: 1 }),
      delta({ output_tokens: 5 })
    ]),
    { source: 'engine_final', inputTokens: 3, outputTokens: 5, cachedInputTokens: null },
    'cumulative: set, not added'
  )
  t.match(
    read('messages', [
      start({ input_tokens: 3, cache_read_input_tokens: 4, output_tokens: 0 }),
      delta({ input_tokens: 3, cache_read_input_tokens: 4, output_tokens: 5 })
    ]),
    { inputTokens: 7, cachedInputTokens: 4, outputTokens: 5 },
    'the cache is counted once'
  )
  t.match(
    read('messages', [start({ input_tokens: 3, output_tokens: 0 })]),
    { source: 'engine_partial', inputTokens: 3, outputTokens: null },
    'the output of an answer that has just begun is not known'
  )
  t.match(read('messages', [start({ input_tokens: 0, output_tokens: 0 })]), { source: 'none' })
})

t.test('native generation tells all along, for each prompt of a batch', async t => {
  const tap = createTaps(MEND)(exchangeTo({ engine: 'sglang', operation: 'generate', reporting: NATIVE }))
  tap?.head(SSE, true)
  for (const [index, tokens] of [
    [0, 1],
    [1, 1],
    [0, 3]
  ])
    tap?.chunk(
      Buffer.from(
        `data: {"index":${index},"meta_info":{"prompt_tokens":5,"completion_tokens":${tokens},"cached_tokens":0}}\n\n`
      )
    )
  t.match(tap?.usage(), { source: 'engine_partial', inputTokens: 10, outputTokens: 4, cachedInputTokens: 0 })
  tap?.chunk(Buffer.from('data: [DONE]\n\n'))
  t.equal(tap?.usage().source, 'engine_final')
})

t.test('what nothing is counted of has no tap; a pool whose usage is off has one that sees failures alone', async t => {
  for (const operation of ['tokenize', 'detokenize', 'count_tokens', 'models'])
    t.equal(createTaps(MEND)(exchangeTo({ engine: 'vllm', operation, reporting: NATIVE })), null)
  const tap = createTaps(MEND)(exchangeTo({ engine: 'vllm', operation: 'chat', reporting: null }))
  tap?.head(SSE, true)
  const told = Buffer.from('data: {"choices":[],"usage":{"prompt_tokens":1}}\n\n')
  t.equal(tap?.chunk(told), told)
  t.match(String(tap?.chunk(Buffer.from('data: {"error":{"message":"secret"}}\n\n'))), 'mended')
})

t.test('an answer that says nothing has a usage that says so', async t => {
  const tap = createTaps(MEND)(exchangeTo({ engine: 'vllm', operation: 'transcription', reporting: NATIVE }))
  tap?.head({ 'content-type': 'text/plain' }, false)
  tap?.chunk(Buffer.from('hello'))
  t.match(tap?.usage(), { source: 'none', inputTokens: null, outputTokens: null })
})

t.test(
  'the text of a stream is counted where its engine tells its usage at the end or never, and learned from nothing else',
  async t => {
    const tapFor = createTaps(MEND)
    const chunk = (more: object) =>
      `data: ${JSON.stringify({ id: 'c', choices: [{ index: 0, delta: { content: 'four' } }], ...more })}\n\n`
    const counted = (operation: string, text: string) => {
      const exchange = exchangeTo({ engine: 'lmdeploy', operation, reporting: NATIVE })
      const tap = tapFor(exchange)
      tap?.head(SSE, true)
      run(tap as Tap, [Buffer.from(text)])
      return [tap?.usage().source, tap?.contentBytes]
    }
    t.strictSame(counted('chat', chunk({}) + chunk({})), ['none', 8])
    const final = `data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}\n\ndata: [DONE]\n\n`
    t.strictSame(counted('chat', chunk({}) + final), ['engine_final', 4])
    t.strictSame(counted('chat', chunk({ usage: { prompt_tokens: 1, completion_tokens: 1 } })), [
      'engine_partial',
      null
    ])
    t.strictSame(counted('responses', 'data: {"type":"response.output_text.delta","delta":"four"}\n\n'), ['none', 4])
    t.strictSame(counted('messages', 'data: {"type":"content_block_delta","delta":{"text":"four"}}\n\n'), ['none', 4])
  }
)

t.test('the text of an answer in one piece is counted when it says nothing of its usage', async t => {
  const counted = (body: object) => {
    const tap = createTaps(MEND)(
      exchangeTo({ engine: 'openai', operation: 'chat', isStream: false, reporting: NATIVE })
    )
    tap?.head(JSON_TYPE, false)
    tap?.chunk(Buffer.from(JSON.stringify(body)))
    return [tap?.usage().source, tap?.contentBytes]
  }
  const choices = [{ message: { role: 'assistant', content: 'four' } }]
  t.strictSame(counted({ choices }), ['none', 4])
  t.strictSame(counted({ choices, usage: { prompt_tokens: 0, completion_tokens: 0 } }), ['engine_final', null])
})

t.test('where an engine tells its usage, the text of one answer in sixteen is counted, to learn from it', async t => {
  const usage = { prompt_tokens: 1, completion_tokens: 1 }
  const chunk = { id: 'c', choices: [{ index: 0, delta: { content: 'four' } }], usage }
  const whole = { choices: [{ message: { role: 'assistant', content: 'four' } }], usage }
  for (const [isStream, text] of [
    [true, `data: ${JSON.stringify(chunk)}\n\n`],
    [false, JSON.stringify(whole)]
  ] as const) {
    const tapFor = createTaps(MEND)
    const counted = Array.from({ length: 64 }, () => {
      const tap = tapFor(exchangeTo({ engine: 'vllm', operation: 'chat', isStream, reporting: NATIVE }))
      tap?.head(isStream ? SSE : JSON_TYPE, isStream)
      tap?.chunk(Buffer.from(text))
      tap?.usage()
      return tap?.contentBytes ?? null
    })
    t.strictSame(
      counted.filter(bytes => bytes !== null),
      [4, 4, 4, 4],
      isStream ? 'a stream' : 'in one piece'
    )
  }
})
