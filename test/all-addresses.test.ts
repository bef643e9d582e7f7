import t from 'tap'
import { createAllAddresses } from '../src/all-addresses.ts'
import { parseConfig } from '../src/config/load.ts'
import type { NameAddress, ResolvedName } from '../src/resolve/names.ts'

const at = (address: string, more: Partial<NameAddress> = {}): NameAddress => ({
  address,
  family: address.includes(':') ? 6 : 4,
  port: null,
  weight: null,
  ...more
})

function configOf(targets: string) {
  const text = `
issuers: [{ issuer: "https://idp.example.com", jwks_url: "https://idp.example.com/jwks", audience: a }]
pools: { p: { engine: vllm, models: [m], targets: [${targets}] } }
teams: { red: { pool: p } }
`
  const loaded = parseConfig(text, { file: '/x/tollgate.yaml', env: {} })
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.faults))
  return loaded.config
}

/** Names whose addresses the test says. */
function scene() {
  const open = new Map<string, { addresses: readonly NameAddress[] | null; move: () => void }>()
  const changes: unknown[] = []
  const all = createAllAddresses({
    resolver: {
      open(host, onChange = () => {}) {
        const one = { addresses: null as readonly NameAddress[] | null, move: onChange }
        open.set(host, one)
        return {
          host,
          fault: null,
          get addresses() {
            return one.addresses
          },
          ready: async () => [],
          close: () => void open.delete(host)
        } satisfies ResolvedName
      }
    },
    onChange: place => changes.push(place)
  })
  const move = (host: string, ...addresses: readonly NameAddress[]) => {
    const one = open.get(host)
    if (one === undefined) throw new Error('nobody keeps it')
    one.addresses = addresses
    one.move()
  }
  return { all, open, changes, move }
}

t.test('a target is as many as its name has addresses, in both families, each with its limits', async t => {
  const { all, move, changes } = scene()
  const config = configOf('{ url: "https://gpu", resolve: all, weight: 3, max_inflight: 2 }, "http://other:8000"')
  all.follow(config)
  t.match(all.expand(config).route.pools.get('p')?.targets, [
    { origin: 'https://gpu' },
    { origin: 'http://other:8000' }
  ])
  move('gpu', at('10.0.0.1'), at('fd00::1'))
  t.strictSame(changes, [{ pool: 'p', target: 'https://gpu' }])
  const { route, forward } = all.expand(config)
  t.match(route.pools.get('p')?.targets, [
    { origin: 'https://gpu', address: '10.0.0.1:443', weight: 3, maxInflight: 2 },
    { origin: 'https://gpu', address: '[fd00::1]:443', weight: 3, maxInflight: 2 },
    { origin: 'http://other:8000' }
  ])
  t.strictSame(
    forward.targets.map(({ address }) => address),
    ['10.0.0.1:443', '[fd00::1]:443', undefined]
  )
})

t.test('ports and weights of records go before those of the file', async t => {
  const { all, move } = scene()
  const config = configOf('{ url: "http://_h._tcp.gpu", resolve: all, weight: 3 }')
  all.follow(config)
  move('_h._tcp.gpu', at('10.0.0.1', { port: 8001, weight: 5 }), at('10.0.0.2', { port: 8002, weight: 0 }))
  t.match(all.expand(config).route.pools.get('p')?.targets, [
    { address: '10.0.0.1:8001', weight: 5 },
    { address: '10.0.0.2:8002', weight: 3 }
  ])
})

t.test('names are kept as long as the configuration has them', async t => {
  const { all, open } = scene()
  all.follow(configOf('{ url: "http://gpu", resolve: all }'))
  t.strictSame([[...open.keys()], all.has('p', 'http://gpu')], [['gpu'], true])
  all.follow(configOf('"http://gpu"'))
  t.strictSame([[...open.keys()], all.has('p', 'http://gpu')], [[], false])
})
