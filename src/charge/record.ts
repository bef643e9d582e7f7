import type { Exchange, Usage } from '../exchange.ts'
import type { CallData, Open, Outcome, UsageData, UsageNumbers } from '../segments/format.ts'

/**
 * Who asked for what, from named fields alone: no prompt, no token, no header, no address of a caller. Texts that a caller
 * chose are cut to a bounded length.
 */
export function callData(exchange: Exchange, config: string): Omit<CallData, 'call'> {
  const { identity, call, target } = exchange.known
  return {
    request_id: cut(exchange.id, 128),
    team: identity?.team ?? null,
    sub: cut(identity?.sub ?? '', 256),
    iss: cut(identity?.iss ?? '', 256),
    op: call?.operation ?? '',
    api: call?.path ?? '',
    stream: call?.isStream ?? false,
    model_requested: call?.modelAsked == null ? null : cut(call.modelAsked, 256),
    model_served: call?.model == null ? null : cut(call.model, 256),
    pool: target?.pool ?? null,
    target: target?.origin ?? null,
    engine: target?.engine ?? null,
    bytes_in: exchange.bytesIn,
    ...(exchange.size === null ? {} : { prompts: exchange.size.prompts, answers: exchange.size.answers }),
    config,
    v: 1
  }
}

/** The same, and what became of it. */
export function usageData(
  exchange: Exchange,
  { config, wentOut, usage }: { readonly config: string; readonly wentOut: boolean; readonly usage: Usage | null }
): Omit<UsageData, 'call'> {
  const { startedAtMs, firstByteAtMs, endedAtMs, failure, attempts } = exchange
  // A wall clock may have been set back meanwhile.
  const since = (atMs: number | null) => (atMs === null ? null : Math.max(0, atMs - startedAtMs))
  return {
    ...callData(exchange, config),
    status: exchange.status,
    outcome: outcomeOf(exchange, wentOut),
    code: failure?.code ?? null,
    attempt: attempts,
    usage: numbersOf(usage),
    bytes_out: exchange.bytesOut,
    ms: { ttft: since(firstByteAtMs), total: since(endedAtMs) }
  }
}

/** A call whose gate has ended before it did. */
export function crashData(open: Open['data']): UsageData {
  return {
    ...open,
    status: null,
    outcome: 'gateway_crash',
    code: null,
    attempt: 1,
    usage: numbersOf(null),
    bytes_out: 0,
    ms: { ttft: null, total: null }
  }
}

/** @param wentOut whether it was on its way to an engine */
export function outcomeOf({ ending, failure, firstByteAtMs }: Exchange, wentOut: boolean): Outcome {
  if (failure?.code === 'TOLLGATE_FORWARD_SHUTDOWN') return 'drained'
  if (ending === 'client_left') return 'client_closed'
  if (failure === null) return 'completed'
  if (!wentOut) return 'rejected'
  if (failure.row.status === 504) return 'timeout'
  if (failure.row.fault !== 'client') return 'upstream_error'
  // A session or a stream that its caller has spoilt had its engine; what an engine would not begin had none.
  return firstByteAtMs === null ? 'rejected' : 'client_closed'
}

function numbersOf(usage: Usage | null): UsageNumbers {
  return {
    source: usage?.source ?? 'none',
    input: usage?.inputTokens ?? null,
    cached_input: usage?.cachedInputTokens ?? null,
    output: usage?.outputTokens ?? null,
    reasoning_output: usage?.reasoningTokens ?? null,
    audio_seconds: usage?.audioSeconds ?? null,
    requests: 1,
    ...(usage?.guessed === undefined || usage.guessed.length === 0 ? {} : { estimated: usage.guessed })
  }
}

function cut(text: string, max: number): string {
  return text.length <= max ? text : `${text.slice(0, max)}…`
}
