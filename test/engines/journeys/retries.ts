import assert from 'node:assert/strict'
import type { EngineDouble, Script } from '../../helpers/engine.ts'
import { after, until } from '../children.ts'
import type { Journey, Through } from '../journey.ts'
import type { Asked, Library } from '../libraries.ts'
import { answered, raised } from './libraries.ts'

const messages = [{ role: 'user', content: 'Hello?' }]
const args = { model: 'm', messages, max_tokens: 5 }
const CALLS = { openai: 'chat.completions.create', anthropic: 'messages.create' } as const

/** An engine that does as it is told, behind a gate that waits a quarter of a second for its first byte. */
interface DoubleWorld extends Through {
  readonly double: EngineDouble
}

/** How often a library asks, as it comes: two retries at most. */
export function retryJourneys({ gate, double }: DoubleWorld, library: Library): readonly Journey[] {
  const call = CALLS[library.name]
  const fail = async (more: Partial<Asked> = {}) =>
    raised(await library.call({ origin: gate.origin, token: await gate.sign(), call, args, ...more }))
  const lines = () => gate.auditLines().filter(line => line['url.path'] !== '/v1/models')
  /** The lines of the audit log that a call has made. */
  const linesOf = async (ask: () => Promise<{ request_id: string | null }>) => {
    const before = lines().length
    const error = await ask()
    // The last try has its line after those before it.
    await gate.auditOf(error.request_id ?? 'none')
    return lines().slice(before)
  }
  const told: readonly Journey[] = [
    {
      sentence: 'a generation that may have happened is asked for once: 504, 502 and 400 of an engine',
      async run() {
        for (const [script, status, name] of [
          [{ kind: 'stall' }, 504, 'InternalServerError'],
          [{ kind: 'status', status: 500, body: 'Traceback: secret' }, 502, 'InternalServerError'],
          [{ kind: 'reset' }, 502, 'InternalServerError'],
          [{ kind: 'status', status: 400, body: '{"object":"error","message":"too long"}' }, 400, 'BadRequestError']
        ] satisfies [Script, number, string][]) {
          await double.script(script)
          const before = (await double.requests()).length
          const made = await linesOf(async () => {
            const error = await fail()
            assert.equal(error.status, status)
            assert.ok(error.classes.includes(name), `${status}: ${error.classes.join(' < ')}`)
            assert.doesNotMatch(JSON.stringify(error), /secret/)
            return error
          })
          assert.equal(made.length, 1, `${status}: asked for ${made.length} times`)
          const heard = (await double.requests()).length - before
          // One that closes a used connection at once looks like one that has given it up: that is sent once more.
          const most = script.kind === 'reset' ? 2 : 1
          assert.ok(heard >= 1 && heard <= most, `${status}: ${heard} times at the engine`)
        }
      }
    },
    {
      sentence: 'what will be refused again is asked for once: 400, 401, 403 and 404 of the gate',
      async run() {
        const before = (await double.requests()).length
        for (const [more, status, name] of [
          [{ args: { ...args, max_tokens: 10_000_000 } }, 400, 'BadRequestError'],
          [{ token: 'wrong' }, 401, 'AuthenticationError'],
          [{ token: await gate.sign({ scopes: [] }) }, 403, 'PermissionDeniedError'],
          [{ args: { ...args, model: 'unknown' } }, 404, 'NotFoundError']
        ] satisfies [Partial<Asked>, number, string][]) {
          const made = await linesOf(async () => {
            const error = await fail(more)
            assert.deepEqual([error.status, error.name], [status, name])
            return error
          })
          assert.equal(made.length, 1, `${status}: asked for ${made.length} times`)
        }
        assert.equal((await double.requests()).length, before)
      }
    },
    {
      sentence: 'what a later try can cure is asked for three times, a second apart as Retry-After says: 429 and 503',
      async run() {
        for (const [status, name] of [
          [429, 'RateLimitError'],
          [503, 'InternalServerError']
        ] as const) {
          await double.script({ kind: 'status', status, headers: { 'retry-after': '1' }, body: '' })
          for (const isStream of [false, true]) {
            // The engine has the pause that it asked for last.
            await after(1_100)
            const before = (await double.requests()).length
            const error = await fail(isStream ? { args: { ...args, stream: true }, as: 'events' } : {})
            assert.equal(error.status, status)
            assert.ok(error.classes.includes(name), error.classes.join(' < '))
            assert.equal((await double.requests()).length - before, 3)
            const tries = await Promise.all([1, 2, 3].map(one => double.waitFor('request', before + one)))
            const [first = 0, second = 0, third = 0] = tries.map(({ atMs }) => atMs)
            // Two clocks: the library waits by one, the engine writes down by the other.
            assert.ok(second - first >= 950 && third - second >= 950, `${second - first} ms, ${third - second} ms`)
          }
        }
      }
    },
    {
      sentence: 'a try that is cured is answered',
      async run() {
        const before = (await double.requests()).length
        await double.script({ kind: 'status', status: 503, headers: { 'retry-after': '1' }, body: '' })
        const outcome = library.call({ origin: gate.origin, token: await gate.sign(), call, args })
        await double.waitFor('request', before + 1)
        await double.script({
          kind: 'json',
          body: { id: 'c', object: 'chat.completion', type: 'message', content: [] }
        })
        assert.equal(answered(await outcome).id, 'c')
        assert.equal((await double.requests()).length - before, 2)
      }
    },
    {
      sentence: 'a stream that the engine breaks is raised as an APIError, and not asked for again',
      async run() {
        const before = (await double.requests()).length
        const event =
          library.name === 'openai'
            ? `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [] })}\n\n`
            : 'event: ping\ndata: {"type":"ping"}\n\n'
        await double.script({ kind: 'sse', events: [event], gapMs: 50, after: 'reset' })
        const error = await fail({ args: { ...args, stream: true }, as: 'events' })
        assert.ok(error.classes.includes('APIError'), error.classes.join(' < '))
        assert.match(error.message, /broke off/)
        await until('it is written down', 5_000, () => lines().at(-1)?.['tollgate.code'] === 'TOLLGATE_FORWARD_BROKEN')
        assert.equal((await double.requests()).length - before, 1)
      }
    }
  ]
  return told.map(journey => ({ ...journey, sentence: `${library.title}: ${journey.sentence}` }))
}

/** Last of all, because the engine does not come back. */
export function lastJourneys({ gate, double }: DoubleWorld, libraries: readonly Library[]): readonly Journey[] {
  return [
    {
      sentence: 'an engine that is gone is asked for three times by every library, and is a 503 to its caller',
      async run() {
        await double.kill()
        for (const library of libraries) {
          const before = gate.auditLines().length
          const token = await gate.sign()
          const error = raised(await library.call({ origin: gate.origin, token, call: CALLS[library.name], args }))
          assert.equal(error.status, 503)
          await until('the audit lines are there', 5_000, () => gate.auditLines().length >= before + 3)
          const lines = gate.auditLines().slice(before)
          assert.deepEqual(
            lines.map(line => line['tollgate.code']),
            Array.from({ length: 3 }, () => 'TOLLGATE_FORWARD_UNREACHABLE')
          )
        }
      }
    }
  ]
}
