import t, { type Test } from 'tap'
import { bodyOf } from '../helpers/flavours/calls.ts'
import { FLAVOURS, type FlavourName } from '../helpers/flavours/flavour.ts'
import { type Asked, scene } from '../helpers/flavours/scene.ts'

const CHAT = '/v1/chat/completions'

/** What a caller is told of an engine's error. */
interface Told {
  readonly status: number
  readonly code: string
  /** The engine's own sentence, or a part of it. */
  readonly says?: RegExp
  readonly retryAfter?: string
}

const REJECTED = 'TOLLGATE_FORWARD_REJECTED'
const failed = { status: 502, code: 'TOLLGATE_FORWARD_FAILED' } as const
const redirected = { status: 502, code: 'TOLLGATE_FORWARD_ANSWER' } as const
const noRoute = { status: 404, code: REJECTED, says: /^Not Found$/ } as const
const field = { status: 422, code: REJECTED, says: /^messages: Field required$/ } as const

/** Every answer of `errors.json` (engines.md section 4), as callers are told of it. */
const TOLD: Readonly<Record<FlavourName, Readonly<Record<string, Told>>>> = {
  vllm: {
    too_long: { status: 400, code: REJECTED, says: /^This model's maximum context length is 2048 tokens\./ },
    leak: { status: 400, code: REJECTED, says: /^cannot identify image file/ },
    unprocessable: { status: 422, code: REJECTED, says: /^The request cannot be processed\.$/ },
    no_such_route: noRoute,
    not_implemented: failed,
    crash: failed,
    scaling: { status: 503, code: 'TOLLGATE_FORWARD_OVERLOADED', retryAfter: '7' },
    busy: { status: 429, code: 'TOLLGATE_FORWARD_BUSY', retryAfter: '11' },
    redirect: redirected
  },
  sglang: {
    too_long: { status: 400, code: REJECTED, says: /^The input \(4096 tokens\) is longer than the model's context/ },
    leak: { status: 400, code: REJECTED, says: /^1 validation error for ChatCompletionRequest/ },
    adapters: { status: 404, code: REJECTED, says: /^The model does not exist or your team may not use it\.$/ },
    model_not_found: { status: 404, code: REJECTED, says: /^The model 'm' does not exist$/ },
    anthropic: { status: 400, code: REJECTED, says: /^max_tokens: Field required$/ },
    native: { status: 400, code: REJECTED, says: /^The input \(4096 tokens\) is longer/ },
    unprocessable: field,
    no_such_route: noRoute,
    crash: failed,
    queue_full: { status: 503, code: 'TOLLGATE_FORWARD_OVERLOADED', retryAfter: '3' },
    redirect: redirected
  },
  lmdeploy: {
    too_long: { status: 400, code: REJECTED, says: /^Please truncate the input to fit in 2048 tokens\.$/ },
    leak: { status: 400, code: REJECTED, says: /No such file or directory/ },
    anthropic: { status: 400, code: REJECTED, says: /^Missing required header: anthropic-version$/ },
    unprocessable: field,
    no_such_route: noRoute,
    cancelled: failed,
    crash: failed,
    sleeping: { status: 503, code: 'TOLLGATE_FORWARD_OVERLOADED', retryAfter: '5' },
    redirect: redirected
  },
  swift: {
    too_long: { status: 400, code: REJECTED, says: /^Current length of row\(4096\) is larger than the max_length/ },
    leak: { status: 400, code: REJECTED, says: /No such file or directory/ },
    models: { status: 404, code: REJECTED, says: /^The model does not exist or your team may not use it\.$/ },
    unprocessable: field,
    no_such_route: noRoute,
    crash: failed,
    redirect: redirected
  }
}

/** What no caller may learn of an engine's machine, nor of the models of others. */
const SECRETS =
  /10\.20\.30\.40|fd00::17|0x7f3a|\/(?:scratch|sgl-workspace|nfs|nvme|mnt|opt|root)\b|http_server|site-packages|\.(?:py|png|jpg|json)\b|gpu-17|node-3|oss-internal|secret-of-team-b|stack trace|Traceback/

function check(t: Test, name: string, answer: Asked, told: Told): void {
  t.match([answer.status, answer.code], [told.status, told.code], name)
  t.notMatch(answer.text, SECRETS, name)
  const { message } = answer.json.error
  if (told.says === undefined) t.notMatch(message, /queue|scaling|sleeping|KeyError|cancelled|Beam/, name)
  else t.match(message, told.says, name)
  t.equal(answer.headers.get('location'), null, name)
  if (told.retryAfter !== undefined) t.equal(answer.headers.get('retry-after'), told.retryAfter, name)
}

for (const flavour of FLAVOURS) {
  t.test(
    `what ${flavour} says against a call is told in the words of the caller's API, and nothing of its machine`,
    async t => {
      const shared = await scene(t, flavour)
      for (const [name, told] of Object.entries(TOLD[flavour])) {
        // An engine that asks for a pause gets it, so that each such answer needs a gate of its own.
        const onItsOwn = async (run: (t: Test, s: typeof shared) => Promise<void>) =>
          told.retryAfter === undefined
            ? await run(t, shared)
            : await t.test(name, async t => await run(t, await scene(t, flavour)))
        await onItsOwn(async (t, { ask, engine }) => {
          await engine.fail(name)
          const openai = await ask(CHAT, bodyOf('chat'))
          check(t, `${flavour} ${name}`, openai, told)
          t.strictSame(Object.keys(openai.json), ['error'], name)
          t.strictSame(Object.keys(openai.json.error), ['message', 'type', 'param', 'code'], name)
        })
        if (flavour === 'swift') continue
        await onItsOwn(async (t, { ask, engine }) => {
          await engine.fail(name)
          const anthropic = await ask('/v1/messages', bodyOf('messages'))
          check(t, `${flavour} ${name}, to Anthropic's libraries`, anthropic, told)
          t.match(anthropic.json, { type: 'error', error: { type: String }, request_id: String }, name)
        })
      }
      const { ask, engine } = shared
      await engine.fail(null)
      t.equal((await ask(CHAT, bodyOf('chat'))).status, 200)
    }
  )
}

t.test('what an engine finds missing in a body is told, in whatever shape it says so', async t => {
  for (const flavour of FLAVOURS) {
    const { ask } = await scene(t, flavour)
    const answer = await ask(CHAT, { model: 'm' })
    // Without messages it is not known to be text, which this token may send too.
    t.match([answer.status, answer.code], [flavour === 'vllm' ? 400 : 422, REJECTED])
    t.match(answer.json.error.message, /Field required/, flavour)
  }
})
