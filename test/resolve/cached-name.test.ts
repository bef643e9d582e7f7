import t, { type Test } from 'tap'
import { CachedName } from '../../src/resolve/cached-name.ts'
import { DnsError } from '../../src/resolve/names.ts'
import type { ResolverOptions } from '../../src/resolve/options.ts'
import type { NameAnswer } from '../../src/resolve/query.ts'
import { RESOLVER } from '../helpers/resolvers.ts'

/** A name whose questions the test answers by hand. */
function scene(t: Test, more: Partial<ResolverOptions> = {}) {
  const asked: { resolve: (addresses: readonly string[]) => void; reject: (err: Error) => void }[] = []
  const waiting: (() => void)[] = []
  const outcomes: (string | null)[] = []
  const name = new CachedName('gpu', {
    ask: () => {
      const { promise, resolve, reject } = Promise.withResolvers<NameAnswer>()
      asked.push({
        resolve: list =>
          resolve({
            addresses: list.map(address => ({ address, family: 4, port: null, weight: null })),
            ttlMs: 0,
            fullName: 'gpu',
            seenAtMs: { 4: 0, 6: 0 }
          }),
        reject
      })
      for (const wake of waiting.splice(0)) wake()
      return promise
    },
    options: () => ({ ...RESOLVER, timeoutMs: 200, minTtlMs: 10, maxTtlMs: 10, negativeTtlMs: 10, ...more }),
    servers: () => ['10.0.0.10'],
    random: () => 0,
    onOutcome: (_host, fault) => outcomes.push(fault?.code ?? null)
  })
  const question = async (n: number) => {
    while (asked.length < n) await new Promise<void>(resolve => waiting.push(resolve))
    const one = asked[n - 1]
    if (one === undefined) throw new Error('not asked')
    return one
  }
  // What a name waits for keeps no process alive, and there is nothing else here.
  const alive = setInterval(() => {}, 60_000)
  t.teardown(() => clearInterval(alive))
  const changes: (readonly string[] | null)[] = []
  const stop = name.keep(() => changes.push(name.addresses?.map(({ address }) => address) ?? null))
  t.teardown(stop)
  return { name, asked, question, outcomes, changes, stop }
}

const of = async (addresses: Promise<readonly { address: string }[]>) => (await addresses).map(({ address }) => address)

t.test('the first answer is waited for, whoever asks for it, by one question; the next ones by nobody', async t => {
  const s = scene(t)
  const both = Promise.all([of(s.name.resolve()), of(s.name.resolve())])
  ;(await s.question(1)).resolve(['10.0.0.1'])
  t.strictSame(await both, [['10.0.0.1'], ['10.0.0.1']])
  await s.question(2)
  t.strictSame(await of(s.name.resolve()), ['10.0.0.1'], 'while it is asked for again')
  ;(await s.question(2)).resolve(['10.0.0.2'])
  await s.question(3)
  t.strictSame(await of(s.name.resolve()), ['10.0.0.2'])
  t.strictSame(s.changes, [['10.0.0.1'], ['10.0.0.2']])
  t.equal(s.asked.length, 3)
})

t.test('the same answer is no change, and the same array', async t => {
  const s = scene(t)
  ;(await s.question(1)).resolve(['10.0.0.1'])
  await s.question(2)
  const { addresses } = s.name
  ;(await s.question(2)).resolve(['10.0.0.1'])
  await s.question(3)
  t.equal(s.name.addresses, addresses)
  t.equal(s.changes.length, 1)
})

t.test('a name server that is silent ends the wait by the timeout, and then nobody waits again', async t => {
  const s = scene(t, { negativeTtlMs: 60_000 })
  await t.rejects(s.name.resolve(), { code: 'DNS_TIMEOUT', message: /within 200 ms \(10\.0\.0\.10\)/ })
  const sinceMs = performance.now()
  await t.rejects(s.name.resolve(), { code: 'DNS_TIMEOUT' })
  t.ok(performance.now() - sinceMs < 100)
  t.equal(s.asked.length, 1)
})

t.test('the last good answer is kept while name servers fail, for so long as it may be', async t => {
  const s = scene(t, { maxStaleMs: 150 })
  ;(await s.question(1)).resolve(['10.0.0.1'])
  ;(await s.question(2)).reject(new DnsError('DNS_SERVER_FAILURE', 'gpu', 'fails'))
  await s.question(3)
  t.strictSame(await of(s.name.resolve()), ['10.0.0.1'])
  t.equal(s.name.fault?.code, 'DNS_SERVER_FAILURE')
  for (let n = 3; s.name.addresses !== null; n++) (await s.question(n)).reject(new DnsError('DNS_REFUSED', 'gpu', 'no'))
  await t.rejects(s.name.resolve(), { code: 'DNS_REFUSED' })
  t.strictSame(s.changes, [['10.0.0.1'], null])
  ;(await s.question(s.asked.length + 1)).resolve(['10.0.0.1'])
  await s.question(s.asked.length + 1)
  t.strictSame(s.changes, [['10.0.0.1'], null, ['10.0.0.1']])
  t.equal(s.outcomes.at(-1), null, 'its end is told')
})

t.test('a name that nobody keeps is asked for when somebody wants it', async t => {
  const s = scene(t)
  ;(await s.question(1)).resolve(['10.0.0.1'])
  await s.question(2)
  s.stop()
  ;(await s.question(2)).resolve(['10.0.0.2'])
  while ((await of(s.name.resolve()))[0] !== '10.0.0.2') await new Promise(resolve => setTimeout(resolve, 1))
  await new Promise(resolve => setTimeout(resolve, 30))
  t.equal(s.asked.length, 2)
  const wanted = of(s.name.resolve())
  ;(await s.question(3)).resolve(['10.0.0.3'])
  t.strictSame(await wanted, ['10.0.0.3'])
})
