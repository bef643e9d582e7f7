import type { ServerResponse } from 'node:http'

/** Where a call waits until it is released: in the queue, behind its head, or behind so many events. */
export type Hold = 'queue' | 'head' | number

/** Holds calls back, and counts those at work. */
export class Work {
  hold: Hold | null = null
  readonly #held = new Set<() => void>()
  readonly #tell: (running: number) => void
  #running = 0

  constructor(tell: (running: number) => void) {
    this.#tell = tell
  }

  /** Lets go of what is held, and holds nothing any more. */
  release(): void {
    this.hold = null
    for (const go of this.#held) go()
  }

  /** Counts a call as running while it is made. */
  async run(job: () => Promise<void>): Promise<void> {
    this.#tell(++this.#running)
    try {
      await job()
    } finally {
      this.#tell(--this.#running)
    }
  }

  /** Waits where calls are held; not for a caller who has gone, where that is noticed. */
  async at(place: Hold, response: ServerResponse, isNoticed: boolean): Promise<void> {
    if (this.hold !== place || (isNoticed && response.destroyed)) return
    await new Promise<void>(resolve => {
      const go = () => {
        this.#held.delete(go)
        resolve()
      }
      this.#held.add(go)
      if (isNoticed) response.once('close', go)
    })
  }
}

/** The events of a recorded stream, each with the empty line that ends it. */
export function eventsOf(stream: string): readonly string[] {
  return stream.split(/(?<=\n\n)/)
}
