import { setTimeout as sleep } from 'node:timers/promises'

/** Loaded into the gate before it starts: tells what its memory is like after full collections, to whoever asks. */
process.on('message', async () => {
  // What a collection finds dead may hold other things, and memory outside of the heap is given back later.
  for (let time = 0; time < 4; time++) {
    globalThis.gc?.()
    await sleep(50)
  }
  process.send?.(process.memoryUsage(), undefined, undefined, () => {})
})
// Being asked is no reason to stay.
process.channel?.unref()
