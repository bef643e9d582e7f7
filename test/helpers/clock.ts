/** A clock that stands still until it is moved. */
export function createClock(startMs: number): { nowMs: () => number; advance: (ms: number) => void } {
  let now = startMs
  return {
    nowMs: () => now,
    advance(ms) {
      now += ms
    }
  }
}
