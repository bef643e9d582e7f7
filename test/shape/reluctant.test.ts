import t from 'tap'
import { GateError } from '../../src/errors.ts'
import type { Exchange } from '../../src/exchange.ts'
import { createReluctant } from '../../src/shape/reluctant.ts'
import { usageOptions } from '../../src/shape/stream-usage.ts'
import { identityOf } from '../helpers/callers.ts'
import { createClock } from '../helpers/clock.ts'
import { exchangeTo } from '../helpers/exchanges.ts'

/** A stream that was asked for its usage. @param own the caller's own options */
function sent(own: string | null, mode: 'exact' | 'final' = 'exact', team = 'red'): Exchange {
  const exchange = exchangeTo({ engine: 'openai', operation: 'chat' })
  exchange.identity = identityOf({ team })
  const { text, reporting } = usageOptions({ mode, call: exchange.call, target: exchange.target, fields: {}, own })
  exchange.reporting = reporting
  exchange.outgoing = {
    type: 'application/json',
    bytes: Buffer.from(
      own === null
        ? `{"model":"m","seed":1.0,"stream_options":${text}}`
        : `{"model":"m","stream_options":${text},"z":1}`
    )
  }
  return exchange
}
const body = ({ outgoing }: Exchange) => outgoing?.bytes.toString()
const refusal = (message: string, status = 400, param: string | null = null) =>
  new GateError('TOLLGATE_FORWARD_REJECTED', {}, { said: { status, message, param, type: null, code: null } })

t.test('what the gate added is taken back, by as much as was refused, and the caller has its own again', async t => {
  const { retreat } = createReluctant(() => 0)
  const plain = sent(null)
  t.ok(retreat(plain, refusal("Unrecognized request argument 'continuous_usage_stats'")))
  t.equal(body(plain), '{"model":"m","seed":1.0,"stream_options":{"include_usage":true}}')
  t.match(plain.reporting, { mode: 'final', hidesFinal: true })
  t.ok(retreat(plain, refusal('x', 422, 'stream_options')))
  t.equal(body(plain), '{"model":"m","seed":1.0}')
  t.match(plain.reporting, { mode: 'native', hidesFinal: false, hidesPartial: false })
  t.equal(retreat(plain, refusal('stream_options')), null, 'there is nothing left to take back')
  const own = sent('{ "include_usage":false,"big":9223372036854775807}')
  t.ok(retreat(own, refusal('include_usage is not known')))
  t.equal(body(own), '{"model":"m","stream_options":{ "include_usage":false,"big":9223372036854775807},"z":1}')
})

t.test('an error that speaks of something else, or comes after the beginning, is none of that', async t => {
  const { retreat } = createReluctant(() => 0)
  const exchange = sent(null)
  const before = body(exchange)
  t.equal(retreat(exchange, refusal('max_tokens must be positive')), null)
  t.equal(retreat(exchange, refusal('stream_options', 404)), null)
  t.equal(retreat(exchange, new GateError('TOLLGATE_FORWARD_FAILED', { message: 'stream_options' })), null)
  t.equal(body(exchange), before)
  const unasked = exchangeTo({ engine: 'openai', operation: 'chat' })
  t.equal(retreat(unasked, refusal('stream_options')), null)
})

t.test('an engine is remembered for ten minutes, when it has taken the call without', async t => {
  const clock = createClock(0)
  const { modeOf, retreat } = createReluctant(clock.nowMs)
  const taken = retreat(sent(null), refusal('stream_options'))
  t.equal(modeOf('http://e', 'exact', 'red'), 'exact', 'not before: the caller may have been wrong')
  taken?.()
  for (const mode of ['exact', 'final', 'native'] as const) t.equal(modeOf('http://e', mode, 'red'), 'native')
  t.equal(modeOf('http://e', 'off', 'red'), 'off')
  t.equal(modeOf('http://other', 'exact', 'red'), 'exact')
  clock.advance(10 * 60_000)
  t.equal(modeOf('http://e', 'exact', 'red'), 'exact')
})

t.test('an engine that knows the one option and not the other is asked for the one', async t => {
  const { modeOf, retreat } = createReluctant(() => 0)
  retreat(sent(null), refusal('continuous_usage_stats: extra inputs are not permitted'))?.()
  t.equal(modeOf('http://e', 'exact', 'red'), 'final')
  t.equal(modeOf('http://e', 'final', 'red'), 'final')
})

t.test('what one team has met is remembered for that team, and for all when two have', async t => {
  const clock = createClock(0)
  const { modeOf, retreat } = createReluctant(clock.nowMs)
  retreat(sent(null, 'exact', 'red'), refusal('cannot load http://image/stream_options'))?.()
  t.strictSame(
    ['red', 'blue', null].map(team => modeOf('http://e', 'exact', team)),
    ['native', 'exact', 'exact']
  )
  clock.advance(60_000)
  retreat(sent(null, 'exact', 'blue'), refusal('continuous_usage_stats'))?.()
  t.strictSame(
    ['red', 'blue', 'green', null].map(team => modeOf('http://e', 'exact', team)),
    ['native', 'final', 'final', 'final']
  )
  clock.advance(9 * 60_000)
  t.equal(modeOf('http://e', 'exact', 'green'), 'exact', 'one of them has been forgotten')
})
