import t from 'tap'
import { createCors } from '../../src/accept/cors.ts'

t.test('where no origin is configured there is nothing to ask', async t => {
  t.equal(createCors({ origins: [], maxAgeSec: 600 }), null)
})

t.test('an OPTIONS that asks for no method is no preflight', async t => {
  const cors = createCors({ origins: ['https://a.example'], maxAgeSec: 600 })
  const told = new Map<string, unknown>()
  const response = { setHeader: (name: string, value: unknown) => told.set(name, value) } as never
  t.equal(cors?.greet('OPTIONS', { origin: 'https://a.example' }, response), false)
  t.equal(told.get('access-control-allow-methods'), undefined)
  const asked = { origin: 'https://a.example', 'access-control-request-method': 'PUT' }
  t.equal(cors?.greet('OPTIONS', asked, response), true)
  t.equal(told.get('access-control-max-age'), 600)
})
