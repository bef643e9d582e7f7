import { pino } from 'pino'
import t, { type Test } from 'tap'
import { parseConfig } from '../src/config/load.ts'
import { openUpstreams } from '../src/upstreams.ts'
import { startNameServer, type Zone } from './helpers/name-server.ts'
import { ANYBODY } from './helpers/pools.ts'

/** The way to the engines of a pool whose names a server of the test knows. */
async function scene(t: Test, zones: Readonly<Record<string, Zone>>, pool: string) {
  const names = await startNameServer(t, zones)
  const text = `
issuers: [{ issuer: "https://idp.example.com", jwks_url: "https://idp.example.com/jwks", audience: a }]
resolver: { servers: ["${names.address}"], timeout: 300ms, max_ttl: 1s, negative_ttl: 100ms }
pools: { p: { engine: vllm, models: [m], ${pool} } }
teams: { red: { pool: p } }
`
  const loaded = parseConfig(text, { file: '/x/tollgate.yaml', env: {} })
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.faults))
  const lines: Record<string, unknown>[] = []
  const waiting: (() => void)[] = []
  const upstreams = openUpstreams(loaded.config, {
    log: pino(
      {},
      {
        write: line => {
          lines.push(JSON.parse(line))
          for (const wake of waiting.splice(0)) wake()
        }
      }
    ),
    nowMs: Date.now,
    random: Math.random,
    onConnected: () => {},
    onChecked: () => {},
    onWaited: () => {}
  })
  upstreams.follow(loaded.config)
  t.teardown(() => upstreams.close())
  const alive = setInterval(() => {}, 60_000)
  t.teardown(() => clearInterval(alive))
  /** Resolves with the line that has all of these facts, when it is there. */
  const says = async (facts: Record<string, unknown>) => {
    const wanted = Object.entries(facts).map(([name, value]) => [name, JSON.stringify(value)] as const)
    for (;;) {
      const line = lines.find(one => wanted.every(([name, value]) => JSON.stringify(one[name]) === value))
      if (line !== undefined) return line
      await new Promise<void>(resolve => waiting.push(resolve))
    }
  }
  const chosen = (count: number) => {
    const pool = upstreams.pools.get('p')
    const origins = Array.from({ length: count }, () => {
      const lease = pool?.enter(ANYBODY)
      if (lease === undefined || lease instanceof Promise) throw new Error('no place')
      lease.release()
      return lease.target.origin
    })
    return [...new Set(origins)].sort()
  }
  return { names, upstreams, says, chosen, config: loaded.config }
}

t.test('a target whose name is not resolved gets no call while another can, and calls as soon as it is', async t => {
  const s = await scene(
    t,
    { quiet: 'silent' },
    'balance: round_robin, targets: ["http://quiet:8000", "http://127.0.0.1:8000"]'
  )
  t.strictSame(s.chosen(20), ['http://127.0.0.1:8000'])
  await s.says({ name: 'quiet', code: 'DNS_TIMEOUT', msg: 'DNS resolution failed' })
  t.match(s.upstreams.check(), {
    ok: true,
    detail: { names: [{ pool: 'p', origin: 'http://quiet:8000', addresses: null, fault: /^DNS_TIMEOUT: no answer/ }] }
  })
  s.names.zones.set('quiet', { a: ['127.0.0.2'] })
  await s.says({ pool: 'p', target: 'http://quiet:8000', added: ['127.0.0.2'], removed: [] })
  t.strictSame(s.chosen(20), ['http://127.0.0.1:8000', 'http://quiet:8000'])
})
