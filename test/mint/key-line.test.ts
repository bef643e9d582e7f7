import t from 'tap'
import { type KeyChange, tellOfKey } from '../../src/mint/key-line.ts'

function saidOf(change: KeyChange): readonly [string, object, string] {
  const said: [string, object, string][] = []
  tellOfKey(change, {
    info: (facts, message) => void said.push(['info', facts, message]),
    warn: (facts, message) => void said.push(['warn', facts, message])
  })
  t.equal(said.length, 1)
  return said[0] ?? ['', {}, '']
}

t.test('each change of a key is one line with what it was and what comes next', async t => {
  const change = { kid: 'k-1', alg: 'ES256', state: 'signing', from: 'waiting', untilMs: 0 } as const
  t.strictSame(saidOf(change), [
    'info',
    { kid: 'k-1', alg: 'ES256', state: 'signing', from: 'waiting', until: '1970-01-01T00:00:00.000Z' },
    'a key of the mint'
  ])
})

t.test('a key that goes when its time is over is nothing special; one that goes before is a warning', async t => {
  const gone = { kid: 'k-1', alg: null, state: 'removed', untilMs: null } as const
  t.equal(saidOf({ ...gone, from: 'gone' })[0], 'info')
  t.match(saidOf({ ...gone, from: 'signing' }), ['warn', { from: 'signing' }, /taken away/])
})
