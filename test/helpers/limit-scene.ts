import { Exchange, type ExchangeInit, type Identity, type Usage } from '../../src/exchange.ts'
import type { LimitOptions, Limits, TeamLimits } from '../../src/limit/options.ts'
import { callSize } from '../../src/tokens/call-size.ts'

/** Limits with nothing but what a test names. */
export const limits = (of: Partial<Limits>): Limits => ({
  rpm: null,
  tpm: null,
  concurrent: null,
  budgets: [],
  isShadow: false,
  ...of
})

/** Limits of a team with nothing but what a test names. */
export const team = (of: Partial<TeamLimits>): TeamLimits => ({
  team: null,
  subject: null,
  models: new Map(),
  isSuspended: false,
  ...of
})

/** Options with nothing but what a test names. */
export const limitOptions = (of: Partial<LimitOptions> = {}): LimitOptions => ({
  subject: null,
  ip: null,
  global: null,
  teams: new Map(),
  models: new Map(),
  reserveOutput: 'p90',
  weights: { input: 1, cached: 1, output: 1 },
  onStoreFailure: 'local',
  maxTokens: 32_000,
  maxAnswers: 256,
  ...of
})

/** Who a test says that he is. */
export const identity = (of: Partial<Identity> = {}): Identity => ({
  iss: 'https://idp',
  sub: 'u-1',
  team: 'team-a',
  scopes: new Set(),
  role: null,
  iatSec: 0,
  expSec: 1,
  jti: null,
  kid: null,
  alg: 'ES256',
  fingerprint: '0',
  ...of
})

/** An address. */
export const client = (ip = '203.0.113.7', isProxy = false) => ({ ip, key: ip, peerIp: ip, isProxy })

/** A call of chat with a body, as `inspect` leaves it. */
export function chat(fields: object = {}, who: Partial<Identity> = {}, init: Partial<ExchangeInit> = {}): Exchange {
  const exchange = new Exchange({ id: 'r', startedAtMs: 0, method: 'POST', path: '/v1/chat/completions', ...init })
  const body = { model: 'm', ...fields }
  exchange.client = client()
  exchange.identity = identity(who)
  exchange.call = {
    operation: 'chat',
    method: 'POST',
    path: '/v1/chat/completions',
    kind: 'text',
    routeScope: null,
    routePool: null,
    model: 'm',
    modelAsked: 'm',
    isStream: false
  }
  exchange.content = { bytes: Buffer.from(JSON.stringify(body)), members: new Map(), fields: body }
  exchange.size = callSize('chat', body)
  return exchange
}

/** The same of another operation. */
export function asking(operation: string, fields: object): Exchange {
  const exchange = chat(fields)
  exchange.call = { ...exchange.call, operation }
  exchange.size = callSize(operation, { ...fields })
  return exchange
}

/** What an engine says of a whole call. */
export const usage = (of: Partial<Usage> = {}): Usage => ({
  source: 'engine_final',
  inputTokens: 10,
  cachedInputTokens: null,
  outputTokens: 20,
  reasoningTokens: null,
  audioSeconds: null,
  ...of
})

/** The engine has answered it to the end. */
export function answered(exchange: Exchange, said: Usage | null = usage()): Exchange {
  exchange.attempts = 1
  exchange.status = 200
  exchange.ending = 'answered'
  exchange.usage = said
  return exchange
}
