import fc from 'fast-check'

/** Places at which bytes of any length are cut, as shares of 1. */
export const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 12 })

/** Bytes in pieces, each with memory of its own; none is empty. */
export function cutAt(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = [...places.map(place => Math.floor(place * bytes.length)), bytes.length].sort((a, b) => a - b)
  let from = 0
  return at.flatMap(to => {
    const piece = Buffer.from(bytes.subarray(from, to))
    from = to
    return piece.length === 0 ? [] : [piece]
  })
}
