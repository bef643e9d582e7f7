import { statSync } from 'node:fs'
import { listBoots, type SegmentFile } from '../segments/folder.ts'
import type { UsageEvent } from '../segments/format.ts'
import { linesOf, SegmentScan } from '../segments/scan.ts'
import type { Ms } from '../time.ts'

/** What the ledger says of one model. */
export interface LedgerSums {
  input: number
  output: number
  calls: number
  /** The part of the input that vLLM counts and no caller pays: it counts a prompt once for each of its answers. */
  repeated?: number
  /** Calls at least one of whose numbers is the gate's own guess. */
  estimated: number
  /** Calls that an engine had, and nobody knows what they have used. */
  unknown: number
}

/** The same for all of them. */
export interface Ledger {
  readonly byModel: ReadonlyMap<string, LedgerSums>
  /** Calls of engines that have no counters to compare with. */
  readonly elsewhere: number
  /** Places that are not what was written. */
  readonly damages: number
}

const COUNTED: ReadonlySet<string | null> = new Set(['vllm', 'sglang'])
/** Clocks of files, and of lines, may differ by so much. */
const SLACK_MS: Ms = 3_600_000

/**
 * Adds up what calls that ended within a time have used, by the model as it was served. Holds one piece of a file.
 * @throws the file system's error
 */
export function readLedger(dir: string, { fromMs, toMs }: { readonly fromMs: Ms; readonly toMs: Ms }): Ledger {
  const byModel = new Map<string, LedgerSums>()
  let [elsewhere, damages] = [0, 0]
  for (const { boot, segments } of listBoots(dir)) {
    for (const segment of segments.filter(file => !isBefore(file, fromMs - SLACK_MS))) {
      const scan = new SegmentScan(boot)
      for (const line of linesOf(segment.path, scan)) {
        if (line.type !== 'tollgate.usage.v1') continue
        const at = Date.parse(line.time)
        if (!(at >= fromMs && at < toMs) || line.data.call === null) continue
        if (COUNTED.has(line.data.engine)) add(byModel, line)
        else elsewhere++
      }
      damages += scan.damages.filter(({ kind }) => kind !== 'torn').length
    }
  }
  return { byModel, elsewhere, damages }
}

/** Whether a segment was sealed before. */
function isBefore({ path, isOpen }: SegmentFile, ms: Ms): boolean {
  return !isOpen && statSync(path).mtimeMs < ms
}

function add(byModel: Map<string, LedgerSums>, { data }: UsageEvent): void {
  const model = data.model_served ?? ''
  const sums = byModel.get(model) ?? { input: 0, output: 0, calls: 0, estimated: 0, unknown: 0 }
  byModel.set(model, sums)
  const { source, input, output } = data.usage
  sums.calls++
  sums.input += input ?? 0
  const repeated = data.engine === 'vllm' ? (input ?? 0) * ((data.answers ?? 1) - 1) : 0
  if (repeated > 0) sums.repeated = (sums.repeated ?? 0) + repeated
  sums.output += output ?? 0
  if (source === 'estimated') sums.estimated++
  if (input === null && output === null) sums.unknown++
}
