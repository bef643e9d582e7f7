import { writeFileSync } from 'node:fs'
import { QUARTER_MS } from '../../src/bill/records.ts'
import { rollAll } from '../../src/bill/roll.ts'
import { Rollup } from '../../src/bill/rollup.ts'
import { segmentFile, type UsageData, type UsageEvent, type UsageNumbers } from '../../src/segments/format.ts'
import { BOOT, segmentBytes, usageLine } from './ledger-lines.ts'

/** What a usage may differ in. */
export interface Use extends Partial<Omit<UsageData, 'usage'>> {
  readonly time?: string
  readonly usage?: Partial<UsageNumbers>
}

/** A usage that has ended at a time. */
export function used({ time = '2026-11-23T08:15:09.123Z', usage = {}, ...data }: Use, seq = 1): UsageEvent {
  const line = usageLine(seq, null, data)
  return { ...line, time, data: { ...line.data, usage: { ...line.data.usage, ...usage } } }
}

/** Writes a segment of usages. @returns its path */
export function writeSegment(
  dir: string,
  uses: readonly Use[],
  { number = 0, isSealed = true }: { number?: number; isSealed?: boolean } = {}
): string {
  const path = `${dir}/${segmentFile({ instance: 'gw-0', boot: BOOT, number, isOpen: !isSealed })}`
  const lines = uses.map(use => (seq: number) => used(use, seq))
  writeFileSync(path, segmentBytes({ lines, number, first: number * 1_000_000, isSealed, isLast: isSealed }).bytes)
  return path
}

/** The sums of a folder, in memory. */
export function rolled(dir: string): Rollup {
  const rollup = new Rollup(':memory:')
  rollAll(dir, rollup)
  return rollup
}

/** A quarter of an hour by its beginning. */
export const quarterAt = (time: string): number => Math.floor(Date.parse(time) / QUARTER_MS)

/** As much time as there is. */
export const ALWAYS: readonly [number, number] = [0, Number.MAX_SAFE_INTEGER]
