import t from 'tap'
import { Exchange } from '../src/exchange.ts'

t.test('a room that reads a product before its room has run is told so, never given undefined', async t => {
  const exchange = new Exchange({ id: 'r', startedAtMs: 0, method: 'GET', path: '/' })
  for (const product of ['client', 'identity', 'call', 'target'] as const) {
    t.throws(() => exchange[product], { code: 'TOLLGATE_STAGE_ORDER', detail: { product } })
  }
  t.strictSame(exchange.known, { client: undefined, identity: undefined, call: undefined, target: undefined })
})

t.test('the way out reads what is known, whatever happened', async t => {
  const exchange = new Exchange({ id: 'r', startedAtMs: 0, method: 'GET', path: '/' })
  exchange.target = { pool: 'p', engine: 'vllm', origin: 'http://gpu1:8000' }
  t.equal(exchange.target.pool, 'p')
  t.equal(exchange.known.target?.origin, 'http://gpu1:8000')
})

t.test('the own time of the gate goes from the head to the first going out, and waits are not part of it', async t => {
  const beforeMs = performance.now()
  const exchange = new Exchange({ id: 'r', startedAtMs: 0, method: 'GET', path: '/' })
  const openedMs = performance.now()
  while (performance.now() - openedMs < 5);
  exchange.waited(3)
  t.equal(exchange.ownMs, null, 'it is not out yet')
  exchange.wentOut()
  const ownMs = exchange.ownMs ?? Number.NaN
  t.ok(ownMs >= 2 && ownMs <= performance.now() - beforeMs - 3, String(ownMs))
  exchange.waited(100)
  exchange.wentOut()
  t.equal(exchange.ownMs, ownMs, 'what comes later does not count')
})
