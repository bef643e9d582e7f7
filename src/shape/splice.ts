import type { Content } from '../exchange.ts'

/** What becomes of the members of a JSON text. */
export interface Edits {
  /** Member → the JSON text of its new value; one that is not there is added at the end. */
  readonly set: ReadonlyMap<string, string>
  readonly remove: ReadonlySet<string>
  /** Member → its new name. */
  readonly rename: ReadonlyMap<string, string>
}

/**
 * Edits the outermost object of a JSON text in place: every byte that belongs to no edited member stays as it came,
 * so that `1.0` and 9223372036854775807 come out as they went in.
 */
export function splice({ bytes, members }: Content, { set, remove, rename }: Edits): Buffer {
  if (set.size === 0 && remove.size === 0 && rename.size === 0) return bytes
  const [first] = members.values()
  const open = first?.nameAt ?? bytes.indexOf('{') + 1
  const pieces: Buffer[] = [bytes.subarray(0, open)]
  let hasMember = false
  // The end of the member before, whether it stays or not: from there to the next name stands its comma.
  let before = open
  for (const [name, { nameAt, start, end }] of members) {
    if (!remove.has(name)) {
      const renamed = rename.get(name)
      const value = set.get(name)
      // The first that stays takes no comma along.
      if (hasMember) pieces.push(bytes.subarray(before, nameAt))
      pieces.push(renamed === undefined ? bytes.subarray(nameAt, start) : Buffer.from(`${JSON.stringify(renamed)}:`))
      pieces.push(value === undefined ? bytes.subarray(start, end) : Buffer.from(value))
      hasMember = true
    }
    before = end
  }
  for (const [name, value] of set) {
    if (members.has(name)) continue
    pieces.push(Buffer.from(`${hasMember ? ',' : ''}${JSON.stringify(name)}:${value}`))
    hasMember = true
  }
  pieces.push(bytes.subarray(before))
  return Buffer.concat(pieces)
}
