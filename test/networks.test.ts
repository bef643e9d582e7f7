import t from 'tap'
import { inNetworks } from '../src/networks.ts'

t.test('an address is in a network of its family, or is the one that is named', async t => {
  const isIn = inNetworks(['10.0.0.0/8', '192.0.2.1', 'fd00::/8', '2001:db8::7'])
  for (const ip of ['10.255.0.1', '192.0.2.1', 'fd12::1', '2001:db8::7']) t.equal(isIn(ip), true, ip)
  for (const ip of ['11.0.0.1', '192.0.2.2', 'fe80::1', '2001:db8::8']) t.equal(isIn(ip), false, ip)
  t.equal(inNetworks([])('10.0.0.1'), false)
})
