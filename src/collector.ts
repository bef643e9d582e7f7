import { setFlagsFromString } from 'node:v8'

/**
 * Has V8 make every object in the young generation, whatever became of others that the same code made.
 *
 * Where the first hundred objects of a line of code outlive a collection, and in a quiet minute all do, V8 makes those
 * that follow in the old generation at once. In the next busy minute each of them is garbage after a millisecond, but
 * until a full collection it keeps alive what it points at: the whole call. A young collection then takes 20 ms and more
 * instead of 2, and calls cost a fifth more (`npm run bench -- --only targets`; `node --trace-gc --trace-pretenuring`).
 */
export function neverPretenure(): void {
  setFlagsFromString('--no-allocation-site-pretenuring')
}
