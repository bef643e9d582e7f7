import fc from 'fast-check'
import t from 'tap'
import { UnfinishedMessage } from '../../src/forward/unfinished.ts'
import { cutAt, cuts } from '../helpers/cut.ts'

interface Frame {
  readonly opcode: number
  readonly isLast: boolean
  readonly isMasked: boolean
  readonly bytes: number
}

function written({ opcode, isLast, isMasked, bytes }: Frame): Buffer {
  const size =
    bytes < 126
      ? Buffer.from([bytes])
      : bytes < 65_536
        ? Buffer.from([126, bytes >> 8, bytes & 255])
        : Buffer.concat([Buffer.from([127, 0, 0, 0, 0]), Buffer.from([bytes >> 24, bytes >> 16, bytes >> 8, bytes])])
  size[0] = (size[0] ?? 0) | (isMasked ? 0x80 : 0)
  const first = Buffer.from([(isLast ? 0x80 : 0) | opcode])
  return Buffer.concat([first, size, Buffer.alloc(isMasked ? 4 : 0, 7), Buffer.alloc(bytes, 'x')])
}

t.test('of a message that is whole nothing is held, however it was cut into frames and pieces', async () => {
  const size = fc.oneof(fc.nat(3), fc.constantFrom(125, 126, 127, 65_535, 65_536, 70_000))
  const message = fc.record({
    parts: fc.array(size, { minLength: 1, maxLength: 4 }),
    pings: fc.array(fc.nat(125), { maxLength: 2 }),
    isMasked: fc.boolean()
  })
  fc.assert(
    fc.property(fc.array(message, { minLength: 1, maxLength: 3 }), cuts, (messages, places) => {
      const unfinished = new UnfinishedMessage()
      for (const { parts, pings, isMasked } of messages) {
        const frames = parts.flatMap((bytes, i): Frame[] => [
          { opcode: i === 0 ? 1 : 0, isLast: i === parts.length - 1, isMasked, bytes },
          ...pings.map(ping => ({ opcode: 9, isLast: true, isMasked, bytes: ping }))
        ])
        for (const piece of cutAt(Buffer.concat(frames.map(written)), places)) unfinished.chunk(piece)
        if (unfinished.heldBytes !== 0) return false
      }
      return true
    }),
    { numRuns: 60 }
  )
})

t.test('of one that is not whole, its bytes are held and what each piece of it takes', async t => {
  const unfinished = new UnfinishedMessage()
  const frame = written({ opcode: 1, isLast: true, isMasked: true, bytes: 100_000 })
  unfinished.chunk(frame.subarray(0, 50_000))
  t.ok(unfinished.heldBytes > 49_900 && unfinished.heldBytes < 52_000, `${unfinished.heldBytes}`)
  for (let at = 50_000; at < 50_100; at++) unfinished.chunk(frame.subarray(at, at + 1))
  t.ok(unfinished.heldBytes > 50_000 + 100 * 400, 'a piece of one byte takes hundreds')
  unfinished.chunk(frame.subarray(50_100))
  t.equal(unfinished.heldBytes, 0)
  for (let i = 0; i < 100; i++) unfinished.chunk(written({ opcode: 0, isLast: false, isMasked: true, bytes: 1 }))
  t.ok(unfinished.heldBytes > 100 * 400, 'a frame of one byte does, too')
})

t.test('whatever comes, nothing is thrown', async () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 20 }), pieces => {
      const unfinished = new UnfinishedMessage()
      for (const piece of pieces) unfinished.chunk(Buffer.from(piece))
      return unfinished.heldBytes >= 0
    })
  )
})
