import t from 'tap'
import { TargetState } from '../../src/route/target-state.ts'

const make = (origin = 'http://gpu1:8000') =>
  new TargetState({ pool: 'p', engine: 'vllm', origin }, { fall: 3, rise: 2 })

t.test('without a word of the engine, our own count over the weight is the pressure', async t => {
  const state = make()
  state.inFlight = 3
  t.equal(state.pressure, 4)
  state.weight = 2
  t.equal(state.pressure, 2)
})

t.test('what others do there counts too, as it was when the engine said so', async t => {
  const state = make()
  state.inFlight = 2
  state.load = { running: 5, waiting: 4, cacheUse: 0.5 }
  t.equal(state.pressure, 10)
  state.inFlight = 4
  t.equal(state.pressure, 12)
  state.inFlight = 0
  t.equal(state.pressure, 8)
  state.load = { running: 0, waiting: 0, cacheUse: 0 }
  state.inFlight = 5
  t.equal(state.pressure, 6, 'never less than what we know ourselves')
  state.load = null
  t.equal(state.pressure, 6)
})

t.test('a cache that is nearly full counts twice', async t => {
  const state = make()
  state.load = { running: 1, waiting: 0, cacheUse: 0.95 }
  t.equal(state.pressure, 4)
})

t.test('the seed follows from the address alone', async t => {
  t.equal(make().seed, make().seed)
  t.not(make('http://gpu2:8000').seed, make().seed)
})
