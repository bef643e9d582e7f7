import t from 'tap'
import { GateError } from '../../src/errors.ts'
import type { Verdict } from '../../src/limit/limiter.ts'
import { createModelEntry } from '../../src/limit/session.ts'
import { answered, chat } from '../helpers/limit-scene.ts'

/** A session that has named no model yet, and what its limits say of those that it names. */
function scene(admitModel: () => Verdict | Promise<Verdict>) {
  const exchange = chat()
  const call = exchange.call
  exchange.call = { ...call, model: null }
  let asked = 0
  const limiter = {
    admitModel() {
      asked++
      return admitModel()
    }
  }
  const enter = createModelEntry(limiter, exchange)
  const name = (model: string | null, refuse: (error: GateError) => void = () => {}) => {
    exchange.call = { ...call, model }
    enter(refuse)
  }
  return { exchange, name, asked: () => asked }
}

const passing = (onSettled: () => void, shadowed: string[] = []): Verdict => ({
  headers: [],
  reservation: { settle: onSettled },
  shadowed,
  error: null
})
const refusing = (): Verdict => ({
  headers: [],
  reservation: null,
  shadowed: [],
  error: new GateError('TOLLGATE_LIMIT_RATE')
})

t.test('each model is drawn for once, and all that was drawn is settled when the session ends', async t => {
  const settled: string[] = []
  let next = 'a'
  const { exchange, name, asked } = scene(() => {
    const model = next
    return passing(() => settled.push(model), [`shadow-${model}`])
  })
  exchange.reservation = { settle: () => settled.push('handshake') }
  name(null)
  name('a')
  next = 'b'
  for (const model of ['b', 'a', 'b']) name(model)
  t.equal(asked(), 2)
  t.strictSame(exchange.shadowed, ['shadow-a', 'shadow-b'])
  exchange.reservation?.settle(answered(exchange, null))
  t.strictSame(settled, ['handshake', 'a', 'b'])
})

t.test('a refusal that is known at once keeps the message from the engine', async t => {
  const { name } = scene(refusing)
  t.throws(() => name('m'), { code: 'TOLLGATE_LIMIT_RATE' })
})

t.test('a refusal that comes later, or a store that says nothing, ends the session', async t => {
  for (const [verdict, code] of [
    [Promise.resolve(refusing()), 'TOLLGATE_LIMIT_RATE'],
    [Promise.reject(new GateError('TOLLGATE_LIMIT_STORE')), 'TOLLGATE_LIMIT_STORE'],
    [Promise.reject(new TypeError('a mistake')), 'TOLLGATE_INTERNAL']
  ] as const) {
    const { name } = scene(() => verdict)
    const told = await new Promise<GateError>(resolve => name('m', resolve))
    t.equal(told.code, code)
  }
})

t.test('what was drawn for a session that has ended meanwhile is settled at once', async t => {
  const { promise, resolve } = Promise.withResolvers<Verdict>()
  const { exchange, name } = scene(() => promise)
  name('m')
  exchange.endedAtMs = 5
  await new Promise<void>(done => resolve(passing(done)))
  t.equal(exchange.reservation, null)
})
