import { Families } from '../../src/metrics/families.ts'
import { Names } from '../../src/metrics/names.ts'
import { createSubjects } from '../../src/metrics/subjects.ts'
import { callBy, identityOf } from '../helpers/callers.ts'

/**
 * What counting subjects costs: CPU for each call with a threshold of requests and one of tokens, the memory that it holds, and
 * the pause at the end of a minute and in a scrape, by how many subjects call. `npm run bench:metrics`.
 */
const CALLS = 1_000_000
const MINUTE_MS = 60_000
const THRESHOLDS = [
  { name: 'busy', requestsPerMinute: 1e9, tokensPerMinute: Number.POSITIVE_INFINITY },
  { name: 'hungry', requestsPerMinute: Number.POSITIVE_INFINITY, tokensPerMinute: 1e15 }
]
/** How many subjects, and how long they are. */
const SCENES = [
  [100, 36],
  [10_000, 36],
  [10_000, 256],
  [100_000, 36]
] as const

function heapBytes(): number {
  globalThis.gc?.()
  return process.memoryUsage().heapUsed
}

function measure(count: number, length: number): string {
  let nowMs = 1_000 * MINUTE_MS
  const calls = Array.from({ length: count }, (_, i) =>
    callBy(identityOf({ sub: `user-${i}`.padEnd(length, 'x'), team: `team-${i % 50}` }), 100)
  )
  const before = heapBytes()
  const subjects = createSubjects({
    families: new Families(),
    teams: new Names({ isKnown: () => true, max: 200 }),
    nowMs: () => nowMs,
    options: () => ({ topSubjects: 200, subjectKey: 'k'.repeat(32), perUser: THRESHOLDS }),
    onCrossing: () => {}
  })
  // In no order that a cache or a branch predictor could learn.
  const run = (times: number) => {
    for (let i = 0; i < times; i++) subjects.observe(calls[(i * 7_919) % count] as (typeof calls)[number])
  }
  run(CALLS / 4)
  const from = process.cpuUsage()
  run(CALLS)
  const { user, system } = process.cpuUsage(from)
  const held = heapBytes() - before
  const pauses: number[] = []
  const reads: number[] = []
  for (let i = 0; i < 10; i++) {
    run(count)
    nowMs += MINUTE_MS
    let at = performance.now()
    run(1)
    pauses.push(performance.now() - at)
    at = performance.now()
    subjects.read()
    reads.push(performance.now() - at)
  }
  const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1]?.toFixed(1)
  return (
    `${count} subjects of ${length} characters: ${(((user + system) * 1_000) / CALLS).toFixed(0)} ns a call, ` +
    `${globalThis.gc === undefined ? '?' : (held / 1e6).toFixed(1)} MB, end of a minute ${median(pauses)} ms ` +
    `(first ${pauses[0]?.toFixed(1)}), scrape ${median(reads)} ms`
  )
}

for (const [count, length] of SCENES) console.log(measure(count, length))
