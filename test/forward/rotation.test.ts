import t from 'tap'
import { Rotation } from '../../src/forward/rotation.ts'

const addresses = (...list: readonly string[]) =>
  list.map(address => ({
    address,
    family: address.includes(':') ? (6 as const) : (4 as const),
    port: null,
    weight: null
  }))
const turns = (rotation: Rotation, count: number) =>
  Array.from({ length: count }, () => rotation.next()?.address ?? null)

t.test('addresses take turns', async t => {
  const rotation = new Rotation()
  t.equal(rotation.next(), null)
  rotation.follow(addresses('10.0.0.1', '10.0.0.2', '10.0.0.3'))
  const seen = turns(rotation, 6)
  t.strictSame(seen.slice(0, 3).sort(), ['10.0.0.1', '10.0.0.2', '10.0.0.3'])
  t.strictSame(seen.slice(3), seen.slice(0, 3))
})

t.test(
  'one that failed is passed over, with no second turn for its neighbour, until nothing else is there',
  async t => {
    const rotation = new Rotation()
    rotation.follow(addresses('10.0.0.1', '10.0.0.2', '10.0.0.3'))
    const [first, second, third] = rotation.slots
    if (first === undefined || second === undefined || third === undefined) throw new Error('three slots')
    rotation.failed(second)
    const seen = turns(rotation, 6)
    t.equal(seen.filter(address => address === '10.0.0.1').length, 3)
    t.equal(seen.filter(address => address === '10.0.0.3').length, 3)
    t.strictSame(rotation.order(first), [first, third, second], 'a connection tries it last')
    rotation.failed(first)
    rotation.failed(third)
    t.type(rotation.next()?.address, 'string')
    rotation.succeeded(third)
    t.strictSame(turns(rotation, 2), ['10.0.0.3', '10.0.0.3'])
  }
)

t.test('IPv6 has its turn where IPv4 does not work', async t => {
  const rotation = new Rotation()
  rotation.follow(addresses('10.0.0.1', '10.0.0.2', 'fd00::1'))
  t.notOk(turns(rotation, 6).includes('fd00::1'))
  for (const slot of rotation.slots.slice(0, 2)) rotation.failed(slot)
  t.strictSame(turns(rotation, 2), ['fd00::1', 'fd00::1'])
})

t.test('what is known of an address stays while the name leads there, and what is gone says so', async t => {
  const rotation = new Rotation()
  rotation.follow(addresses('10.0.0.1', '10.0.0.2'))
  const [first, second] = rotation.slots
  t.strictSame(rotation.follow(addresses('10.0.0.2', '10.0.0.3')), [first])
  t.equal(first?.isGone, true)
  t.equal(rotation.slots[0], second)
  t.equal(second?.isGone, false)
})
