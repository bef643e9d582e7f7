import dns, { lookup } from 'node:dns'
import { lookup as promisedLookup } from 'node:dns/promises'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import t from 'tap'
import { replaceSystemLookup } from '../../src/resolve/system-lookup.ts'
import { startNameServer } from '../helpers/name-server.ts'
import { resolverAt } from '../helpers/resolvers.ts'

t.test('fetch, sockets and every form of lookup ask the resolver, until it is undone', async t => {
  const names = await startNameServer(t, { 'gpu.example': { a: ['127.0.0.1'], aaaa: ['::1'] } })
  const restore = replaceSystemLookup(resolverAt(t, names.address))
  t.teardown(restore)
  const server = createServer((_request, response) => response.end('here'))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  t.equal(await (await fetch(`http://gpu.example:${port}/`, { headers: { connection: 'close' } })).text(), 'here')
  await new Promise<void>((resolve, reject) => {
    const socket = connect({ host: 'gpu.example', port, family: 4 }, () => {
      socket.destroy()
      resolve()
    })
    socket.once('error', reject)
  })
  t.strictSame(await promisedLookup('gpu.example'), { address: '127.0.0.1', family: 4 })
  t.strictSame(await promisedLookup('gpu.example', { all: true, family: 6 }), [{ address: '::1', family: 6 }])
  t.strictSame(await new Promise(resolve => lookup('gpu.example', { family: 6 }, (...result) => resolve(result))), [
    null,
    '::1',
    6
  ])
  t.strictSame(await new Promise(resolve => dns.lookup('gpu.example', (...result) => resolve(result))), [
    null,
    '127.0.0.1',
    4
  ])
  await t.rejects(promisedLookup('gone.example'), { code: 'ENOTFOUND', hostname: 'gone.example' })
  names.zones.set('quiet.example', 'silent')
  await t.rejects(promisedLookup('quiet.example'), { code: 'EAI_AGAIN', message: /no answer of the name servers/ })

  const ours = dns.lookup
  restore()
  t.not(dns.lookup, ours)
  t.match(await promisedLookup('127.0.0.1'), { address: '127.0.0.1' })
})

t.test('a hundred look-ups that are never answered hold up no other one', async t => {
  const names = await startNameServer(t)
  names.isSilent = true
  t.teardown(replaceSystemLookup(resolverAt(t, names.address, { timeoutMs: 800 })))
  const lookups = Array.from({ length: 100 }, (_, n) => promisedLookup(`quiet-${n}.example`).catch(err => err.code))
  const sinceMs = performance.now()
  t.match(await promisedLookup('localhost'), { address: '127.0.0.1' })
  t.ok(performance.now() - sinceMs < 500)
  t.strictSame([...new Set(await Promise.all(lookups))], ['EAI_AGAIN'])
})
