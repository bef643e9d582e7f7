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

/**
 * Has V8 collect the old generation when it has grown by half of what is alive in it.
 *
 * On a machine with much memory V8 lets it grow to four times that, and keeps the pages: a gate with 60 MB that are alive
 * took 600 MB after an attack, and went on to grow in quiet (`npm run attack`).
 */
export function boundHeapGrowth(): void {
  setFlagsFromString('--heap-growing-percent=50')
}
