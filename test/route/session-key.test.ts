import t from 'tap'
import { readObject } from '../../src/inspect/object.ts'
import { sessionKey } from '../../src/route/session-key.ts'

const content = (body: object) => readObject(Buffer.from(JSON.stringify(body)))

t.test('the name that a caller gives its session decides, for its own team', async t => {
  const body = content({ messages: [] })
  t.equal(sessionKey('a', 's1', body), sessionKey('a', 's1', content({ prompt: 'other' })))
  t.not(sessionKey('a', 's1', body), sessionKey('b', 's1', body))
  t.not(sessionKey('a', 's1', body), sessionKey('a', 's2', body))
})

t.test('else the beginning of the prompt does, and what comes after it changes nothing', async t => {
  const turn = (more: string) =>
    content({ model: 'm', messages: [{ role: 'system', content: 'x'.repeat(2_000) + more }] })
  t.equal(sessionKey('a', undefined, turn('1')), sessionKey('a', undefined, turn('2')))
  t.not(sessionKey('a', undefined, turn('1')), sessionKey('b', undefined, turn('1')))
  t.not(sessionKey('a', undefined, content({ prompt: 'x' })), sessionKey('a', undefined, content({ prompt: 'y' })))
  t.equal(
    sessionKey('a', 'no name with spaces', content({ prompt: 'x' })),
    sessionKey('a', undefined, content({ prompt: 'x' }))
  )
})

t.test('a call with neither has no session', async t => {
  t.equal(sessionKey('a', undefined, null), null)
  t.equal(sessionKey('a', undefined, content({ model: 'm' })), null)
})
