import t from 'tap'
import { parseConfig } from '../../src/config/load.ts'

const REST = `
issuers: [{ issuer: "https://idp.example.com", jwks_url: "https://idp.example.com/jwks", audience: a }]
teams: { red: { pool: p } }
`
const pool = (more = '') => `pools: { p: { engine: vllm, targets: ["http://gpu:8000"], models: [m]${more} } }\n`
const faults = (resolver: string, more = '') =>
  parseConfig(`resolver: ${resolver}\n${pool(more)}${REST}`, { file: '/x/tollgate.yaml', env: {} }).faults.map(
    ({ code, path }) => `${code} ${path}`
  )

t.test('name servers are addresses, with a port or without', async t => {
  t.strictSame(faults('{ servers: ["10.96.0.10", "10.96.0.10:5353", "fd00::10", "[fd00::10]:53"] }'), [])
  t.strictSame(faults('{ servers: [dns.example.com] }'), ['E380 resolver.servers[0]'])
  t.strictSame(faults('{ servers: ["10.96.0.300", "10.96.0.10:70000", "10.96.0.10:0", "[fd00::10"] }'), [
    'E380 resolver.servers[0]',
    'E380 resolver.servers[1]',
    'E380 resolver.servers[2]',
    'E380 resolver.servers[3]'
  ])
  t.strictSame(faults('{ servers: [] }'), ['E205 resolver.servers'])
})

t.test('names alone have several addresses, and service names need no port', async t => {
  const targets = (text: string) =>
    parseConfig(`pools: { p: { engine: vllm, targets: [${text}], models: [m] } }\n${REST}`, {
      file: '/x/tollgate.yaml',
      env: {}
    }).faults.map(({ code, path }) => `${code} ${path}`)
  t.strictSame(
    targets('{ url: "http://vllm.ns:8000", resolve: all }, { url: "http://_h._tcp.vllm.ns", resolve: all }'),
    []
  )
  t.strictSame(targets('{ url: "http://10.0.0.1:8000", resolve: all }'), ['E383 pools.p.targets[0].resolve'])
  t.strictSame(targets('"http://_h._tcp.vllm.ns", { url: "http://_h._tcp.vllm.ns:8000", resolve: all }'), [
    'E383 pools.p.targets[0]',
    'E383 pools.p.targets[1].url'
  ])
  t.strictSame(targets('{ url: "http://vllm.ns:8000", resolve: some }').length, 1)
})

t.test('times fit together, and something can be done in each', async t => {
  t.strictSame(faults('{ min_ttl: 30s, max_ttl: 5m, timeout: 2s, negative_ttl: 1s, max_stale: 1d }'), [])
  t.strictSame(faults('{ min_ttl: 2m }'), ['E381 resolver.min_ttl'])
  t.strictSame(faults('{ min_ttl: 2s, max_ttl: 1s }'), ['E381 resolver.min_ttl'])
  t.strictSame(faults('{ timeout: 0s, negative_ttl: 0s, max_ttl: 500ms, min_ttl: 0s }'), [
    'E382 resolver.timeout',
    'E382 resolver.negative_ttl',
    'E382 resolver.max_ttl'
  ])
  t.strictSame(faults('{}', ', timeouts: { max_connection_duration: 10ms }'), [
    'E382 pools.p.timeouts.max_connection_duration'
  ])
})
