import fc from 'fast-check'
import t from 'tap'
import { ByteCollector } from '../src/byte-collector.ts'

const KIB = 1024

t.test(
  'what was added is taken out in its order, and takes at most three times its memory, whatever the pieces',
  async () => {
    const piece = fc.record({
      bytes: fc.oneof(fc.constant(1), fc.nat(64), fc.nat(9_000), fc.nat(70_000)),
      // Of a larger buffer, as a piece of what was read from a socket is.
      isPart: fc.boolean(),
      times: fc.oneof(fc.constant(1), fc.nat(300))
    })
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), pieces => {
        const collector = new ByteCollector()
        const all: Buffer[] = []
        let n = 0
        for (const { bytes, isPart, times } of pieces) {
          for (let i = 0; i < (bytes > 100 ? 1 : times); i++) {
            const room = Buffer.alloc(isPart ? 64 * KIB + bytes : bytes, n++ % 251)
            const one = room.subarray(0, bytes)
            collector.add(one)
            all.push(one)
          }
        }
        const whole = Buffer.concat(all)
        if (collector.length !== whole.length) return false
        if (collector.heldBytes > 3 * whole.length + 2 * KIB) return false
        return collector.take().equals(whole)
      }),
      { numRuns: 60 }
    )
  }
)

t.test('a text of one piece is that piece, not a copy of it', async t => {
  const piece = Buffer.alloc(300, 'x')
  const own = Buffer.from(piece.buffer, piece.byteOffset, piece.length)
  const collector = new ByteCollector()
  collector.add(own)
  const taken = collector.take()
  t.equal(taken.buffer, own.buffer)
  t.equal(collector.heldBytes, own.buffer.byteLength)
})

t.test('of nothing, nothing is taken', async t => {
  t.equal(new ByteCollector().take().length, 0)
})
