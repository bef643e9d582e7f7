import { Agent } from 'node:http'
import type { Test } from 'tap'
import { judge, type RollResult } from './judge.ts'
import type { Phase } from './phases.ts'
import { openScene, within } from './scene.ts'
import { openStream, type Stream } from './stream.ts'

/** What is rolled, and how. */
export interface RollInit {
  /** Where files may be written. */
  readonly dir: string
  /** Streams that are open at any time. */
  readonly streams: number
  /** How long each of them is. */
  readonly streamMs: number
  /** How long a gate goes on accepting that is being replaced; less than a stream, so that streams outlive it. */
  readonly acceptMs: number
  readonly phases: readonly Phase[]
  readonly say: (text: string) => void
}

/**
 * Keeps streams open, each followed by another, while one phase after the other goes by.
 *
 * @throws Error when a phase did not happen as it should, or the last gate did not end with 0
 */
export async function roll(t: Pick<Test, 'teardown'>, init: RollInit): Promise<RollResult> {
  const scene = await openScene(t, init)
  const streams: Stream[] = []
  // Half of the callers keep their connections from one stream to the next.
  const agent = new Agent({ keepAlive: true })
  let isOver = false
  const lane = async (number: number) => {
    // Spread, so that streams begin and end at any time.
    await new Promise(resolve => setTimeout(resolve, (number * init.streamMs) / init.streams))
    while (!isOver) streams.push(await openStream({ ...scene, agent: number % 2 === 0 && agent }))
  }
  const allOpen = scene.begun(init.streams)
  const lanes = Array.from({ length: init.streams }, (_, number) => lane(number))
  try {
    await allOpen
    for (const phase of init.phases) {
      init.say(phase.name)
      await phase.run(scene)
    }
  } finally {
    isOver = true
  }
  await within(Promise.all(lanes), 'the last streams have not ended')
  agent.destroy()
  const last = scene.gates.at(-1)
  last?.child.kill('SIGTERM')
  const code = last === undefined ? 'none' : await within(last.exit, 'the last gate has not ended')
  if (code !== 0) throw new Error(`the last gate ended with ${code}: ${last?.stderr().slice(-2_000)}`)
  return judge(streams, scene)
}
