import { readFileSync } from 'node:fs'
import type { Scene, Span } from './scene.ts'
import type { Stream } from './stream.ts'

/** What came of it. */
export interface RollResult {
  readonly whole: number
  /** Streams of an engine that was killed meanwhile; each ended with an error event. */
  readonly excused: number
  /** Calls whose first connection was reset before a byte of an answer while a gate was replaced; their second one is judged as any other. */
  readonly retried: number
  /** Everything else, in words. */
  readonly lost: readonly string[]
  /** Of each reload: streams that had begun before it, and were whole after it. */
  readonly acrossReloads: readonly number[]
  /** Streams of a replaced gate that were whole after it had taken its last call. */
  readonly acrossHandover: number
  /** Streams that each gate had. */
  readonly byGate: readonly number[]
}

type Line = Readonly<Record<string, unknown>> & { readonly gate: number | null }

/** Codes of streams that their engine has ended. */
const DEATHS: readonly unknown[] = ['TOLLGATE_FORWARD_BROKEN', 'TOLLGATE_FORWARD_RESET']

/** Judges every stream by what its caller has seen, by the audit log, and by what was done meanwhile. */
export function judge(streams: readonly Stream[], scene: Scene): RollResult {
  const lineOf = readLines(scene)
  const lost: string[] = []
  const whole: Stream[] = []
  let [excused, retried] = [0, 0]
  for (const stream of streams) {
    const line = lineOf(stream)
    const { resetAtMs } = stream
    if (resetAtMs !== null) {
      if (scene.handovers.some(({ fromMs, toMs }) => fromMs <= resetAtMs && resetAtMs <= toMs)) retried++
      else lost.push('reset before an answer, and no gate was replaced')
    }
    if (line === undefined) lost.push(`${stream.end}, and not in the audit log`)
    else if (isAstray(stream, line, scene)) lost.push('at an engine that the file did not name')
    else if (stream.end === 'whole') whole.push(stream)
    else if (isExcused(stream, line, scene)) excused++
    else lost.push(`${stream.end} ${line['tollgate.code']} after ${line['tollgate.attempts']} attempts`)
  }
  return {
    whole: whole.length,
    excused,
    retried,
    lost,
    acrossReloads: scene.reloads.map(span => whole.filter(stream => isAcross(stream, span)).length),
    acrossHandover: carriedOver(streams, whole, lineOf),
    byGate: scene.gates.map((_, gate) => streams.filter(stream => lineOf(stream)?.gate === gate).length)
  }
}

function readLines({ auditFile, gates, poolName }: Scene): (stream: Stream) => Line | undefined {
  const gateOf = new Map(gates.map((_, gate) => [poolName(gate), gate]))
  const byId = new Map<unknown, Line>()
  for (const text of readFileSync(auditFile, 'utf8').trimEnd().split('\n')) {
    const line = JSON.parse(text)
    byId.set(line['http.request.id'], { ...line, gate: gateOf.get(line['tollgate.pool']) ?? null })
  }
  return ({ id }) => byId.get(id)
}

const isAcross = ({ begunAtMs, endedAtMs }: Stream, { fromMs, toMs }: Span) =>
  begunAtMs !== null && begunAtMs <= fromMs && toMs <= endedAtMs

function isExcused({ end, begunAtMs, endedAtMs }: Stream, line: Line, { kills }: Scene): boolean {
  return kills.some(
    ({ origin, fromMs, toMs }) =>
      end === 'told' &&
      DEATHS.includes(line['tollgate.code']) &&
      line['tollgate.target'] === origin &&
      begunAtMs !== null &&
      begunAtMs <= toMs &&
      fromMs <= endedAtMs
  )
}

function isAstray({ startedAtMs, begunAtMs }: Stream, line: Line, { absences }: Scene): boolean {
  return absences.some(
    ({ origin, fromMs, toMs }) =>
      line['tollgate.target'] === origin && fromMs <= startedAtMs && begunAtMs !== null && begunAtMs <= toMs
  )
}

function carriedOver(
  streams: readonly Stream[],
  whole: readonly Stream[],
  lineOf: (stream: Stream) => Line | undefined
): number {
  const lastStartOf = new Map<number, number>()
  for (const stream of streams) {
    const gate = lineOf(stream)?.gate ?? null
    if (gate !== null) lastStartOf.set(gate, Math.max(stream.begunAtMs ?? 0, lastStartOf.get(gate) ?? 0))
  }
  lastStartOf.delete(Math.max(...lastStartOf.keys()))
  return whole.filter(stream => {
    const lastStart = lastStartOf.get(lineOf(stream)?.gate ?? -1)
    return lastStart !== undefined && (stream.begunAtMs ?? 0) < lastStart && lastStart <= stream.endedAtMs
  }).length
}
