/** A comment: client libraries pass over it, and nothing between takes the stream for dead. */
export const HEARTBEAT = ': keep-alive\n\n'

const LF = 0x0a
const CR = 0x0d

/** True when a piece of an event stream ends with an empty line: `\n\n` or `\r\n\r\n`. */
export function endsEvent(chunk: Uint8Array): boolean {
  const end = chunk.length
  if (end < 2 || chunk[end - 1] !== LF) return false
  return chunk[end - 2] === LF || (end >= 4 && chunk[end - 2] === CR && chunk[end - 3] === LF)
}
