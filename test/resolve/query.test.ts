import { writeFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { DnsError } from '../../src/resolve/names.ts'
import type { ResolverOptions } from '../../src/resolve/options.ts'
import { NameQuery } from '../../src/resolve/query.ts'
import { startNameServer, type Zone } from '../helpers/name-server.ts'
import { RESOLVER } from '../helpers/resolvers.ts'

const POD = 'search ns.svc svc\noptions ndots:5\n'

async function scene(t: Test, zones: Record<string, Zone>, more: Partial<ResolverOptions> = {}, conf = '') {
  const names = await startNameServer(t, zones)
  const dir = t.testdir({ hosts: '10.9.9.9 of-file\n', 'resolv.conf': conf })
  const files = { hosts: `${dir}/hosts`, resolvConf: `${dir}/resolv.conf` }
  const query = new NameQuery({ ...RESOLVER, servers: [names.address], ...more }, files)
  t.teardown(() => query.cancel())
  const ask = async (host: string) => (await query.ask(host, null)).addresses.map(({ address }) => address)
  const codeOf = async (host: string) => {
    try {
      return await ask(host)
    } catch (err) {
      return err instanceof DnsError ? err.code : err
    }
  }
  return { names, query, ask, codeOf, dir }
}

t.test('addresses of both families are found, IPv4 first, and their TTL', async t => {
  const s = await scene(t, {
    both: { a: ['10.0.0.2', '10.0.0.1'], aaaa: ['fd00::1'], ttl: 7 },
    six: { aaaa: ['fd00::2'] }
  })
  const { addresses, ttlMs } = await s.query.ask('Both', null)
  t.strictSame(
    addresses.map(({ address, family }) => `${family} ${address}`),
    ['4 10.0.0.1', '4 10.0.0.2', '6 fd00::1']
  )
  t.equal(ttlMs, 7_000)
  t.strictSame(await s.ask('six'), ['fd00::2'])
})

t.test('one family may be chosen', async t => {
  const zones: Record<string, Zone> = { both: { a: ['10.0.0.1'], aaaa: ['fd00::1'] } }
  t.strictSame(await (await scene(t, zones, { family: 'ipv4' })).ask('both'), ['10.0.0.1'])
  const six = await scene(t, zones, { family: 'ipv6' })
  t.strictSame(await six.ask('both'), ['fd00::1'])
  t.strictSame(await six.ask('localhost'), ['::1'])
})

t.test('each way to fail has its code, and no name that was asked for is left out of the message', async t => {
  const s = await scene(t, { bad: 'servfail', no: 'refused', empty: {} }, {}, POD)
  t.equal(await s.codeOf('bad'), 'DNS_SERVER_FAILURE')
  t.equal(await s.codeOf('no'), 'DNS_REFUSED')
  t.equal(await s.codeOf('empty'), 'DNS_NOT_FOUND')
  await t.rejects(s.ask('gone'), { message: /asked: gone\.ns\.svc, gone\.svc, gone\)/ })
  t.equal(await (await scene(t, {}, { servers: ['127.0.0.1:1'] })).codeOf('any'), 'DNS_UNREACHABLE')
})

t.test('the hosts file comes before DNS and is followed; localhost is this machine', async t => {
  const s = await scene(t, { 'of-file': { a: ['10.0.0.1'] } })
  t.strictSame(await s.ask('of-file'), ['10.9.9.9'])
  t.strictSame(await s.ask('gpu.localhost'), ['127.0.0.1', '::1'])
  t.strictSame(s.names.asked, [])
  writeFileSync(`${s.dir}/hosts`, '10.8.8.8 of-file # moved\n')
  while ((await s.ask('of-file'))[0] !== '10.8.8.8') await new Promise(resolve => setTimeout(resolve, 50))
})

t.test('short names are found by the search domains, as in a pod', async t => {
  const s = await scene(t, { 'vllm.ns.svc': { a: ['10.0.0.1'] }, 'vllm.other.svc': { a: ['10.0.0.2'] } }, {}, POD)
  t.strictSame(await s.ask('vllm'), ['10.0.0.1'])
  t.strictSame(await s.ask('vllm.other'), ['10.0.0.2'])
  t.equal(await s.codeOf('vllm.'), 'DNS_NOT_FOUND', 'a dot at the end: as it is')
})

t.test(
  'a search domain whose server fails is passed over, but never to another name than the one that had the answer',
  async t => {
    const s = await scene(t, { 'vllm.ns.svc': 'servfail', 'vllm.svc': { a: ['10.0.0.2'] } }, {}, POD)
    t.strictSame(await s.ask('vllm'), ['10.0.0.2'])
    s.names.zones.set('vllm.ns.svc', { a: ['10.0.0.1'] })
    const before = await s.query.ask('vllm', null)
    s.names.zones.set('vllm.ns.svc', 'servfail')
    await t.rejects(s.query.ask('vllm', before), { code: 'DNS_SERVER_FAILURE' })
  }
)

t.test('a family that is never answered does not keep the other one waiting, and stays as it was', async t => {
  const s = await scene(t, { both: { a: ['10.0.0.1'], aaaa: ['fd00::1'] } })
  const before = await s.query.ask('both', null)
  s.names.silentTypes.add('AAAA')
  const sinceMs = performance.now()
  t.strictSame(await s.ask('both'), ['10.0.0.1'])
  t.ok(performance.now() - sinceMs < 900, 'before the first try of a server is over')
  t.strictSame((await s.query.ask('both', before)).addresses, before.addresses)
})

t.test('a service has the addresses and ports of its first priority', async t => {
  const s = await scene(t, {
    '_http._tcp.vllm': { srv: ['0 5 8001 pod-1', '0 5 8002 pod-2', '1 5 8003 pod-3'], ttl: 60 },
    'pod-1': { a: ['10.0.0.1'], ttl: 3 },
    'pod-2': { a: ['10.0.0.2'], ttl: 60 },
    'pod-3': { a: ['10.0.0.3'] }
  })
  const { addresses, ttlMs } = await s.query.ask('_http._tcp.vllm', null)
  t.strictSame(addresses, [
    { address: '10.0.0.1', family: 4, port: 8001, weight: 5 },
    { address: '10.0.0.2', family: 4, port: 8002, weight: 5 }
  ])
  t.equal(ttlMs, 3_000)
  s.names.zones.set('pod-2', 'servfail')
  t.equal(
    await s.codeOf('_http._tcp.vllm'),
    'DNS_SERVER_FAILURE',
    'an engine does not vanish because its name cannot be asked for'
  )
  s.names.zones.delete('pod-2')
  t.strictSame(await s.ask('_http._tcp.vllm'), ['10.0.0.1'])
})
