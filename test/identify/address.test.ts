import fc from 'fast-check'
import t from 'tap'
import { keyOf, readAddress, readKey } from '../../src/identify/address.ts'

t.test('an address is read without its port, brackets and zone, and one of IPv4 in IPv6 clothes is IPv4', async t => {
  t.equal(readAddress('[2001:DB8::0007%eth0]:443'), '2001:db8::7')
  t.equal(readAddress('[::ffff:198.51.100.9]:80'), '198.51.100.9')
  for (const junk of ['', 'x', '1.2.3', '999.1.1.1', '2001:db8::/64', '[::1', '1.2.3.4:']) {
    t.equal(readAddress(junk), null, junk)
  }
})

t.test('B2: failures are counted by the IPv4 address, and by the /64 of an IPv6 one', async t => {
  t.equal(keyOf('203.0.113.7'), '203.0.113.7')
  t.equal(keyOf('2001:db8:1:2:3:4:5:6'), '2001:db8:1:2::/64')
  t.equal(keyOf('2001:db8::7'), '2001:db8:0:0::/64')
  t.equal(keyOf('::1'), '0:0:0:0::/64')
})

t.test('B2: or by another network, from a /48 to the address itself', async t => {
  t.equal(keyOf('2001:db8:1:2ff:3:4:5:6', 48), '2001:db8:1::/48')
  t.equal(keyOf('2001:db8:1:2ff:3:4:5:6', 56), '2001:db8:1:200::/56')
  t.equal(keyOf('2001:db8:1:2:3:4:5:6', 128), '2001:db8:1:2:3:4:5:6/128')
  t.equal(keyOf('203.0.113.7', 128), '203.0.113.7')
})

t.test('a key is read as what it was written for, and what is no key as nothing', async t => {
  t.match(readKey('2001:db8::7'), { ip: '2001:db8::7', key: '2001:db8:0:0::/64' })
  t.match(readKey('2001:db8::7', 48), { key: '2001:db8:0::/48' })
  t.match(readKey('203.0.113.7'), { key: '203.0.113.7' })
  for (const junk of ['2001:db8::/32', '2001:db8::/129', '203.0.113.0/24', '203.0.113.7/64', '/64', 'x', '::1/64/64']) {
    t.equal(readKey(junk), null, junk)
  }
})

t.test('two addresses have one key exactly when they agree in as many bits', async () => {
  const group = fc.nat(0xffff)
  const groups = fc.array(group, { minLength: 8, maxLength: 8 })
  const flip = fc.option(fc.nat(127), { nil: null })
  const text = (of: readonly number[]) => of.map(one => one.toString(16)).join(':')
  fc.assert(
    fc.property(groups, flip, fc.integer({ min: 48, max: 128 }), (one, bit, prefix) => {
      const other = one.map((value, i) => (bit !== null && bit >> 4 === i ? value ^ (0x8000 >> (bit & 15)) : value))
      const [a, b] = [readAddress(text(one)), readAddress(text(other))]
      if (a === null || b === null || !a.includes(':') || !b.includes(':')) return
      const isOne = keyOf(a, prefix) === keyOf(b, prefix)
      if (isOne !== (bit === null || bit >= prefix)) throw new Error(`${a} and ${b} with /${prefix}`)
      if (readKey(keyOf(a, prefix))?.key !== keyOf(a, prefix)) throw new Error(keyOf(a, prefix))
    }),
    { numRuns: 5_000 }
  )
})
