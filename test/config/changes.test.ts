import t from 'tap'
import { changesBetween, changeText, inEffect, masked } from '../../src/config/changes.ts'

const isSecret = (path: readonly (string | number)[]) => path.at(-1) === 'api_key'
const between = (before: unknown, after: unknown) => changesBetween(before, after, isSecret).map(changeText)

t.test('what differs is told value by value, with its path', async t => {
  const before = { pools: { q: { targets: ['http://a', 'http://b'], max_inflight: 1 } }, teams: { red: { pool: 'q' } } }
  const after = {
    pools: { q: { targets: ['http://a'], max_inflight: 2 } },
    teams: { red: { pool: 'q' }, blue: { pool: 'q' } }
  }
  t.strictSame(between(before, after), [
    'pools.q.targets[1] removed: "http://b"',
    'pools.q.max_inflight 1 → 2',
    'teams.blue added: {"pool":"q"}'
  ])
  t.strictSame(between(before, structuredClone(before)), [])
})

t.test('what is bound at the start is told apart', async t => {
  const at = (listen: string, to: string) => ({ server: { listen, names: [to] }, audit: { to } })
  t.strictSame(between(at(':1', 'a'), at(':2', 'b')), [
    'server.listen ":1" → ":2" (needs a restart)',
    'server.names[0] "a" → "b"',
    'audit.to "a" → "b" (needs a restart)'
  ])
})

t.test('in effect is what was loaded, but for what is read at the start alone', async t => {
  const started = { server: { listen: ':1', names: ['a'] }, audit: { to: 'a' }, revocation: { file: 'a' } }
  const loaded = {
    server: { listen: ':2', names: ['b'], tls: { cert: 'b' } },
    audit: { to: 'b' },
    revocation: { file: 'b', keep: 'b' },
    store: { url: 'b' },
    teams: {}
  }
  t.strictSame(inEffect(started, loaded), {
    server: { listen: ':1', names: ['b'] },
    audit: { to: 'a' },
    revocation: { file: 'b' },
    teams: {}
  })
  t.strictSame(inEffect(loaded, started), {
    server: { listen: ':2', names: ['a'], tls: { cert: 'b' } },
    audit: { to: 'b' },
    revocation: { file: 'a', keep: 'b' },
    store: { url: 'b' }
  })
})

t.test('a secret that changed is told of, and not shown', async t => {
  const at = (api_key: string) => ({ pools: { q: { api_key } } })
  t.strictSame(between(at('old-secret'), at('new-secret')), ['pools.q.api_key "••••" → "••••"'])
  t.strictSame(between({}, at('new-secret')), ['pools added: {"q":{"api_key":"••••"}}'])
  t.notMatch(JSON.stringify(masked(at('old-secret'), isSecret)), 'old-secret')
})
