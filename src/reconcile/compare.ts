import type { EngineSums } from './prometheus.ts'
import type { Ledger, LedgerSums } from './sums.ts'

/** One model, one direction. */
export interface Row {
  /** By the name of the engines' counters. */
  readonly model: string
  readonly tokens: 'input' | 'output'
  /** As the engines count: the input once for each answer, where they do. */
  readonly ledger: number
  readonly engines: number
  /** `ledger` less `engines`. */
  readonly difference: number
  /** Of what the engines have counted, in percent; null where they have counted nothing and the ledger something. */
  readonly driftPercent: number | null
  readonly isOver: boolean
}

/** What was compared, and what one should know about it. */
export interface Comparison {
  readonly rows: readonly Row[]
  readonly notes: readonly string[]
  readonly isOver: boolean
}

/**
 * Compares model by model.
 * @param names what the engines' counters call a model of the ledger, where that is another name
 */
export function compare(
  ledger: Ledger,
  engines: EngineSums,
  { names, thresholdPercent }: { readonly names: ReadonlyMap<string, string>; readonly thresholdPercent: number }
): Comparison {
  const ours = new Map<string, LedgerSums>()
  for (const [model, sums] of ledger.byModel) {
    const name = names.get(model) ?? model
    const known = ours.get(name)
    ours.set(name, known === undefined ? sums : added(known, sums))
  }
  const models = [...new Set([...ours.keys(), ...engines.byModel.keys()])].sort()
  const rows = models
    .flatMap(model =>
      (['input', 'output'] as const).map(tokens =>
        rowOf(
          {
            model,
            tokens,
            ledger: oursOf(ours.get(model), tokens),
            engines: engines.byModel.get(model)?.[tokens] ?? 0
          },
          thresholdPercent
        )
      )
    )
    .filter(row => row.ledger !== 0 || row.engines !== 0)
  return { rows, notes: notesOf(ledger, engines, ours), isOver: rows.some(({ isOver }) => isOver) }
}

/** As the engines count. */
function oursOf(sums: LedgerSums | undefined, tokens: 'input' | 'output'): number {
  if (sums === undefined) return 0
  return tokens === 'input' ? sums.input + (sums.repeated ?? 0) : sums.output
}

function added(a: LedgerSums, b: LedgerSums): LedgerSums {
  return {
    input: a.input + b.input,
    output: a.output + b.output,
    repeated: (a.repeated ?? 0) + (b.repeated ?? 0),
    calls: a.calls + b.calls,
    estimated: a.estimated + b.estimated,
    unknown: a.unknown + b.unknown
  }
}

function rowOf(row: Pick<Row, 'model' | 'tokens' | 'ledger' | 'engines'>, thresholdPercent: number): Row {
  const difference = row.ledger - row.engines
  const driftPercent = difference === 0 ? 0 : row.engines === 0 ? null : (difference / row.engines) * 100
  return {
    ...row,
    difference,
    driftPercent,
    isOver: driftPercent === null || Math.abs(driftPercent) > thresholdPercent
  }
}

function notesOf(ledger: Ledger, engines: EngineSums, ours: ReadonlyMap<string, LedgerSums>): string[] {
  const all = [...ours.values()].reduce(added, { input: 0, output: 0, repeated: 0, calls: 0, estimated: 0, unknown: 0 })
  const { appeared, resets } = engines
  const unmatched = [...ours.keys()].filter(model => !engines.byModel.has(model))
  return [
    [
      all.repeated ?? 0,
      `${all.repeated} tokens of input were added to the ledger's: vLLM counts a prompt once for each answer to it (n)`
    ],
    [all.estimated, `${all.estimated} of ${all.calls} calls are the gate's own guess, in part or whole`],
    [all.unknown, `of ${all.unknown} of ${all.calls} calls nobody knows what they have used`],
    [unmatched.length, `the engines have no counter of ${unmatched.join(', ')}; adapters and other names need --map`],
    [resets, `counters began anew ${resets} times: what an engine counted after its last reading is not known`],
    [
      appeared.series,
      `${appeared.series} counters came up within the time, at ${appeared.tokens} tokens, and count from 0`
    ],
    [ledger.elsewhere, `${ledger.elsewhere} calls went to engines that have no such counters`],
    [ledger.damages, `${ledger.damages} places of the ledger are not what was written: see 'tollgate usage verify'`],
    ...engines.warnings.map(warning => [1, `Prometheus warns: ${warning}`] as const)
  ].flatMap(([count, text]) => (count === 0 ? [] : [String(text)]))
}
