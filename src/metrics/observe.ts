import { OPERATIONS } from '../engines/operations.ts'
import type { GateError } from '../errors.ts'
import type { Exchange, Target } from '../exchange.ts'
import type { Ms } from '../time.ts'
import type { Families } from './families.ts'
import { OTHER } from './family.ts'
import { type Names, NONE } from './names.ts'
import {
  authResultOf,
  denialOf,
  interruptionOf,
  issueResultOf,
  limitRefusalOf,
  outcomeOf,
  queueRejectionOf,
  timeoutOf
} from './words.ts'

/** What turns what requests say into labels. */
export interface Labels {
  readonly teams: Names
  readonly models: Names
  /** By `iss`. */
  readonly issuerOf: (iss: string) => string
}

const CALLER_LEFT = '499'

/** Makes the step of the way out that counts an exchange. It looks series up and adds to them, no more. */
export function createObserver(families: Families, { teams, models, issuerOf }: Labels): (exchange: Exchange) => void {
  const requests = families.of('tollgate_requests_total')
  const errors = families.of('tollgate_errors_total')
  const duration = families.of('tollgate_request_duration_seconds')
  const firstToken = families.of('tollgate_time_to_first_token_seconds')
  const perToken = families.of('tollgate_time_per_output_token_seconds')
  const overhead = families.of('tollgate_gateway_overhead_seconds')
  const bodies = families.of('tollgate_request_body_bytes')
  const disconnects = families.of('tollgate_client_disconnects_total')
  const interruptions = families.of('tollgate_stream_interruptions_total')
  const timeouts = families.of('tollgate_timeouts_total')
  const auth = families.of('tollgate_auth_total')
  const denied = families.of('tollgate_authz_denied_total')
  const limited = families.of('tollgate_limit_refusals_total')
  const rejections = families.of('tollgate_queue_rejections_total')
  const tries = families.of('tollgate_upstream_requests_total')
  const retries = families.of('tollgate_upstream_retries_total')
  const unparsed = families.of('tollgate_sse_unparsed_total')
  const issued = families.of('tollgate_tokens_issued_total')
  const countUsage = createUsageCounter(families)

  return exchange => {
    const { identity, call, target } = exchange.known
    const { failure, failedTries, startedAtMs, firstByteAtMs } = exchange
    const team = teams.label(identity?.team)
    const model = models.label(call?.model)
    const op = call === undefined ? NONE : opOf(call.operation)
    const pool = target?.pool ?? NONE
    const hasLeft = exchange.ending === 'client_left'
    const code = hasLeft || exchange.status === null ? CALLER_LEFT : String(exchange.status)

    requests.at(team, model, op, code).value++
    duration
      .at(model, op, call?.isStream === true ? 'true' : 'false')
      .observe(secondsBetween(startedAtMs, exchange.endedAtMs ?? startedAtMs))
    if (exchange.bytesIn > 0 && exchange.upgrade === null) bodies.at(model).observe(exchange.bytesIn)
    if (identity !== undefined) auth.at('ok', issuerOf(identity.iss)).value++
    if (failure !== null) refusal(failure, team, pool)
    if (exchange.issue !== null) issued.at(exchange.issue.grant ?? NONE, issueResultOf(failure)).value++
    if (hasLeft && failure?.code !== 'TOLLGATE_ACCEPT_STALLED')
      disconnects.at(model, firstByteAtMs === null ? 'before_first_token' : 'streaming').value++
    const { ownMs } = exchange
    if (ownMs !== null) overhead.at(op).observe(ownMs / 1000)
    if (target === undefined || exchange.attempts === 0) return

    if (firstByteAtMs !== null && call?.isStream === true) {
      firstToken.at(model, pool).observe(secondsBetween(startedAtMs, firstByteAtMs))
      const perTokenSec = secondsPerToken(exchange, firstByteAtMs)
      if (perTokenSec !== null) perToken.at(model, pool).observe(perTokenSec)
    }
    if (failedTries.length > 0) for (const { target, error } of failedTries) failedTry(target, error)
    const isBegun = exchange.status !== null && exchange.status < 400
    tries.at(pool, target.origin, isBegun || failure === null ? code : outcomeOf(failure)).value++
    if (isBegun && failure !== null && failure.row.fault !== 'client') {
      interruptions.at(pool, interruptionOf(failure)).value++
    }
    if (exchange.unreadEvents > 0) unparsed.at(pool).value += exchange.unreadEvents
    countUsage(exchange, team, model, op, pool)
  }

  function refusal(failure: GateError, team: string, pool: string): void {
    errors.at(failure.code).value++
    const result = authResultOf(failure)
    if (result !== null)
      auth.at(result, typeof failure.detail.issuer === 'string' ? failure.detail.issuer : OTHER).value++
    const denial = denialOf(failure)
    if (denial !== null) denied.at(team, denial).value++
    const limit = limitRefusalOf(failure)
    if (limit !== null) {
      limited.at(team, typeof failure.detail.policy === 'string' ? failure.detail.policy : NONE, limit).value++
    }
    // A call that got no place has no target.
    const where = typeof failure.detail.pool === 'string' ? failure.detail.pool : pool
    const rejection = queueRejectionOf(failure)
    const { class: among } = failure.detail
    if (rejection !== null) rejections.at(where, typeof among === 'string' ? among : NONE, rejection).value++
    const which = timeoutOf(failure)
    if (which !== null) timeouts.at(where, which).value++
  }

  function failedTry({ pool, origin }: Target, error: GateError): void {
    const outcome = outcomeOf(error)
    tries.at(pool, origin, outcome).value++
    retries.at(pool, origin, outcome).value++
    const which = timeoutOf(error)
    if (which !== null) timeouts.at(pool, which).value++
  }
}

function createUsageCounter(families: Families) {
  const events = families.of('tollgate_usage_events_total')
  const input = families.of('tollgate_input_tokens_total')
  const cached = families.of('tollgate_cached_input_tokens_total')
  const output = families.of('tollgate_output_tokens_total')
  const reasoning = families.of('tollgate_reasoning_output_tokens_total')
  const inputs = families.of('tollgate_input_tokens_per_request')
  const outputs = families.of('tollgate_output_tokens_per_request')
  const audio = families.of('tollgate_audio_seconds_total')
  return ({ usage, ending, isUsageOff }: Exchange, team: string, model: string, op: string, pool: string): void => {
    if (usage === null || isUsageOff) return
    events.at(pool, usage.source, ending ?? NONE).value++
    if (usage.inputTokens !== null) {
      input.at(team, model, op).value += usage.inputTokens
      inputs.at(model).observe(usage.inputTokens)
    }
    if (usage.cachedInputTokens !== null) cached.at(team, model, op).value += usage.cachedInputTokens
    if (usage.outputTokens !== null) {
      output.at(team, model, op).value += usage.outputTokens
      outputs.at(model).observe(usage.outputTokens)
    }
    if (usage.reasoningTokens !== null) reasoning.at(team, model, op).value += usage.reasoningTokens
    if (usage.audioSeconds !== null) audio.at(team, model).value += usage.audioSeconds
  }
}

/** A route that the operator opened is called by its path, which is no label. */
function opOf(operation: string): string {
  return Object.hasOwn(OPERATIONS, operation) ? operation : 'route'
}

/** How long each token of a stream took behind the first; null for a stream that cannot tell. */
function secondsPerToken({ usage, ending, failure, endedAtMs }: Exchange, firstByteAtMs: Ms): number | null {
  const tokens = usage?.source === 'engine_final' ? (usage.outputTokens ?? 0) : 0
  if (tokens < 2 || ending !== 'answered' || failure !== null || endedAtMs === null) return null
  return secondsBetween(firstByteAtMs, endedAtMs) / (tokens - 1)
}

/** By the wall clock, which may be set back. */
function secondsBetween(fromMs: number, toMs: number): number {
  return Math.max(0, toMs - fromMs) / 1000
}
