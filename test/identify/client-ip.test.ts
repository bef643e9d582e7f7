import { isIP } from 'node:net'
import fc from 'fast-check'
import t from 'tap'
import { createClientResolver, isPassedOn } from '../../src/identify/client-ip.ts'

const xff = (...lines: string[]) => lines.flatMap(line => ['X-Forwarded-For', line])
const behind = createClientResolver({ trustedProxies: ['10.0.0.0/8', 'fd00::/8', '192.0.2.1'] })
const alone = createClientResolver({ trustedProxies: [] })

t.test('B1: without trusted proxies the peer is the caller, whatever the header says', async t => {
  t.match(alone('203.0.113.7', xff('1.2.3.4')), { ip: '203.0.113.7', peerIp: '203.0.113.7', isProxy: false })
  t.match(behind('203.0.113.7', xff('1.2.3.4')), { ip: '203.0.113.7' })
})

t.test('B1: behind a trusted proxy the last address that is no proxy is the caller', async t => {
  t.match(behind('10.1.1.1', xff('1.2.3.4, 198.51.100.9, 10.2.2.2')), {
    ip: '198.51.100.9',
    peerIp: '10.1.1.1',
    isProxy: false
  })
  t.match(behind('192.0.2.1', xff('1.2.3.4', '198.51.100.9')), { ip: '198.51.100.9' })
  t.match(behind('fd00::1', xff('2001:db8::7')), { ip: '2001:db8::7' })
  t.match(behind('::ffff:10.1.1.1', xff('198.51.100.9')), { ip: '198.51.100.9', peerIp: '10.1.1.1' })
})

t.test('B1, P0-13: ports, brackets and zones do not make another caller', async t => {
  for (const text of ['198.51.100.9:1234', ' 198.51.100.9 ', '::ffff:198.51.100.9', '[::ffff:198.51.100.9]:80']) {
    t.match(behind('10.1.1.1', xff(text)), { ip: '198.51.100.9' }, text)
  }
})

t.test('B1: what is no address ends the walk at the last proxy, which is never blamed', async t => {
  for (const junk of ['junk', 'unknown', '', '1.2.3', '999.1.1.1', '_hidden']) {
    t.match(behind('10.1.1.1', xff(`1.2.3.4, ${junk}`)), { ip: '10.1.1.1', isProxy: true }, junk)
  }
  t.match(behind('10.1.1.1', []), { ip: '10.1.1.1', isProxy: true })
  t.match(behind('10.1.1.1', xff('10.3.3.3')), { ip: '10.3.3.3', isProxy: true })
})

t.test('B1: a header of a thousand hops costs no more than twenty', async t => {
  const long = `1.2.3.4,${Array(2000).fill('10.9.9.9').join(',')}`
  t.match(behind('10.1.1.1', xff(long)), { ip: '10.9.9.9', isProxy: true })
})

t.test('B2: callers are told apart by as much of an IPv6 address as the operator says', async t => {
  const wide = createClientResolver({ trustedProxies: [], ipv6Prefix: 56 })
  t.equal(wide('2001:db8:0:1ff::7', []).key, wide('2001:db8:0:100::1', []).key)
  t.not(alone('2001:db8:0:1ff::7', []).key, alone('2001:db8:0:100::1', []).key)
  t.equal(wide('203.0.113.7', []).key, '203.0.113.7')
})

t.test('whatever is sent, the caller is an address', async t => {
  fc.assert(
    fc.property(fc.array(fc.string({ maxLength: 40 })), lines => isIP(behind('10.1.1.1', xff(...lines)).ip) !== 0)
  )
  fc.assert(fc.property(fc.ipV6(), ip => isIP(alone(ip, []).ip) !== 0 && alone(ip, []).key !== ''))
  t.equal(isIP(alone(undefined, []).ip), 4)
})

t.test('a request that somebody has passed on says so, by whatever header', async t => {
  for (const name of ['X-Forwarded-For', 'x-real-ip', 'FORWARDED', 'Via'])
    t.ok(isPassedOn(['Host', 'g', name, 'x']), name)
  t.notOk(isPassedOn(['Host', 'via', 'X-Forwarded-Proto', 'https']))
})
