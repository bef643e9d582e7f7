import t from 'tap'
import { literalName } from '../../src/resolve/resolver.ts'
import { startNameServer } from '../helpers/name-server.ts'
import { RESOLVER, resolverAt } from '../helpers/resolvers.ts'

t.test('an address needs no name server', async t => {
  const names = await startNameServer(t)
  const resolver = resolverAt(t, names.address)
  t.match(await resolver.resolve('10.0.0.1'), [{ address: '10.0.0.1', family: 4 }])
  t.match(resolver.open('fd00::1').addresses, [{ address: 'fd00::1', family: 6 }])
  t.equal(literalName('gpu'), null)
  t.strictSame(names.asked, [])
})

t.test('no name waits for another one, however many are not answered', async t => {
  const names = await startNameServer(t, { gpu: { a: ['10.0.0.1'] } })
  const resolver = resolverAt(t, names.address, { timeoutMs: 1_000 })
  for (let n = 0; n < 100; n++) {
    names.zones.set(`quiet-${n}`, 'silent')
    const name = resolver.open(`quiet-${n}`)
    t.teardown(() => name.close())
  }
  const sinceMs = performance.now()
  await resolver.resolve('gpu')
  t.ok(performance.now() - sinceMs < 500)
})

t.test('a name that is kept follows its name server, says once why it fails, and that it has recovered', async t => {
  const names = await startNameServer(t, { gpu: { a: ['10.0.0.1'] } })
  const resolver = resolverAt(t, names.address)
  const { promise: failed, resolve: onFailed } = Promise.withResolvers<void>()
  const moved = Promise.withResolvers<void>()
  const name = resolver.open('gpu', () => (name.addresses?.[0]?.address === '10.0.0.2' ? moved.resolve() : undefined))
  t.teardown(() => name.close())
  t.match(await name.ready(), [{ address: '10.0.0.1' }])
  names.zones.set('gpu', 'refused')
  const watch = setInterval(() => resolver.lines.length > 0 && onFailed(), 5)
  t.teardown(() => clearInterval(watch))
  await failed
  t.match(name.addresses, [{ address: '10.0.0.1' }], 'the last good address')
  t.match(name.fault, { code: 'DNS_REFUSED' })
  names.zones.set('gpu', { a: ['10.0.0.2'] })
  await moved.promise
  t.match(resolver.lines, [
    [{ name: 'gpu', code: 'DNS_REFUSED', cause: /refuse/, usesLastGood: true }, 'DNS resolution failed'],
    [{ name: 'gpu' }, 'DNS resolution recovered']
  ])
})

t.test('other name servers are asked at once when the configuration says so', async t => {
  const [one, two] = [
    await startNameServer(t, { gpu: { a: ['10.0.0.1'] } }),
    await startNameServer(t, { gpu: { a: ['10.0.0.2'] } })
  ]
  const resolver = resolverAt(t, one.address, { minTtlMs: 60_000, maxTtlMs: 60_000 })
  const moved = Promise.withResolvers<void>()
  const name = resolver.open('gpu', () => (name.addresses?.[0]?.address === '10.0.0.2' ? moved.resolve() : undefined))
  t.teardown(() => name.close())
  await name.ready()
  const alive = setInterval(() => {}, 60_000)
  t.teardown(() => clearInterval(alive))
  resolver.follow({ ...RESOLVER, servers: [two.address] })
  await moved.promise
})

t.test('names that are asked for now and then are remembered for their TTL, and in bounded number', async t => {
  const names = await startNameServer(t, { gpu: { a: ['10.0.0.1'] } })
  const resolver = resolverAt(t, names.address, { minTtlMs: 60_000, maxTtlMs: 60_000 })
  for (let n = 0; n < 3; n++) await resolver.resolve('gpu')
  t.equal(names.asked.filter(text => text === 'gpu A').length, 1)
  for (let n = 0; n < 300; n++) await resolver.resolve(`gone-${n}`).catch(() => {})
  await resolver.resolve('gpu')
  t.equal(names.asked.filter(text => text === 'gpu A').length, 2, 'it was the oldest of too many')
})
