/** Milliseconds: a duration, or a point in time since the Unix epoch. */
export type Ms = number
/** Seconds since the Unix epoch, as JWT's NumericDate counts them (RFC 7519 section 2). */
export type Sec = number

/** The wall clock. Injected, so that a test can stand still. */
export type NowMs = () => Ms

/** @param ms milliseconds since the epoch @returns whole seconds, rounded down */
export function secFromMs(ms: Ms): Sec {
  return Math.floor(ms / 1000)
}

/** @param sec seconds since the epoch @returns milliseconds */
export function msFromSec(sec: Sec): Ms {
  return sec * 1000
}
