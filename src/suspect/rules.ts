import type { GateErrorCode } from '../codes.ts'
import { GENERATES } from '../engines/operations.ts'
import type { Exchange } from '../exchange.ts'
import { msFromSec } from '../time.ts'
import type { Kind, KindOptions } from './options.ts'

/** What is counted by: the address of the caller, the subject with its issuer, or the token. */
export type By = 'address' | 'subject' | 'token'

/** One rule: which exchanges count, for whom, and how much is too much. */
export interface Rule {
  readonly kind: Kind
  readonly by: By
  /** How much an exchange counts; null where it is none of those that the rule is about. */
  readonly weigh: (exchange: Exchange, of: KindOptions) => number | null
  /** Where different values are counted: the value. */
  readonly value?: (exchange: Exchange) => string
  readonly isOver: (of: KindOptions) => (sum: number, of: number) => boolean
}

const moreThanAfter: Rule['isOver'] = of => sum => sum > of.after

const FORGED: ReadonlySet<unknown> = new Set(['bad_signature', 'alg_rejected'])
const DENIED: ReadonlySet<GateErrorCode> = new Set([
  'TOLLGATE_AUTHORIZE_SCOPE',
  'TOLLGATE_AUTHORIZE_MODEL',
  'TOLLGATE_ROUTE_MODEL'
])
const ASTRAY: ReadonlySet<GateErrorCode> = new Set([
  'TOLLGATE_INSPECT_ROUTE',
  'TOLLGATE_INSPECT_CLOSED',
  'TOLLGATE_INSPECT_ADMIN',
  'TOLLGATE_AUTHENTICATE_MISSING'
])
const TOO_LARGE: ReadonlySet<GateErrorCode> = new Set(['TOLLGATE_INSPECT_SIZE', 'TOLLGATE_LIMIT_TOO_LARGE'])
/** How engines say that a prompt is longer than the model takes: a code of OpenAI's, or a sentence of vLLM's and SGLang's. */
const CONTEXT = /context[ _]length|maximum context|longer than the model/i

/** The rules of operations.md section 4.5. Brute force with tokens is for bans (`identify/`), and `rate_anomaly` in `surges.ts`. */
export const RULES: readonly Rule[] = [
  {
    kind: 'forged_token',
    by: 'address',
    weigh({ failure }) {
      if (failure?.code !== 'TOLLGATE_AUTHENTICATE_INVALID') return null
      const { reason, alg } = failure.detail
      if (alg === 'none') return Number.POSITIVE_INFINITY
      return FORGED.has(reason) ? 1 : null
    },
    isOver: moreThanAfter
  },
  {
    kind: 'token_sharing',
    by: 'token',
    weigh: ({ client }) => (client.isProxy ? null : 1),
    value: ({ client }) => client.key,
    isOver: moreThanAfter
  },
  {
    kind: 'token_sharing',
    by: 'token',
    weigh: ({ client }) => (client.isProxy ? null : 1),
    value: ({ client }) => networkOf(client.key),
    isOver: of => sum => sum > of.networks
  },
  {
    kind: 'sub_fanout',
    by: 'address',
    weigh: ({ known }) => (known.identity === undefined ? null : 1),
    value: ({ identity }) => `${identity.iss}\n${identity.sub}`,
    isOver: moreThanAfter
  },
  {
    kind: 'model_probing',
    by: 'subject',
    weigh: ({ failure }) => (failure !== null && DENIED.has(failure.code) ? 1 : null),
    value({ failure, known }) {
      const { model, scope } = failure?.detail ?? {}
      return String(model ?? (failure?.code === 'TOLLGATE_ROUTE_MODEL' ? known.call?.model : scope))
    },
    isOver: moreThanAfter
  },
  {
    kind: 'path_probing',
    by: 'address',
    weigh: ({ failure }) => (failure !== null && ASTRAY.has(failure.code) ? 1 : null),
    value: ({ path }) => path,
    isOver: moreThanAfter
  },
  {
    kind: 'expired_replay',
    by: 'address',
    // Whose an expired token is nobody has vouched for.
    weigh: ({ failure }) =>
      failure?.code === 'TOLLGATE_AUTHENTICATE_INVALID' && failure.detail.reason === 'expired' ? 1 : null,
    isOver: moreThanAfter
  },
  {
    kind: 'abort_abuse',
    by: 'subject',
    weigh({ known, attempts, ending, usage }) {
      if (attempts === 0 || known.call === undefined || !GENERATES.has(known.call.operation)) return null
      const isTold = usage?.source === 'engine_final' || usage?.source === 'engine_partial'
      return ending === 'client_left' && !isTold ? 1 : 0
    },
    isOver: of => (sum, count) => count >= of.after && sum > count * of.ratio
  },
  {
    kind: 'oversize',
    by: 'subject',
    weigh({ failure }) {
      if (failure === null) return null
      if (TOO_LARGE.has(failure.code)) return 1
      if (failure.code !== 'TOLLGATE_FORWARD_REJECTED') return null
      const { status, code, message } = failure.told
      return status === 413 || CONTEXT.test(code) || CONTEXT.test(message) ? 1 : null
    },
    isOver: moreThanAfter
  },
  {
    kind: 'long_lived_token',
    by: 'subject',
    weigh: ({ identity }, of) => (msFromSec(identity.expSec - identity.iatSec) > of.longerThanMs ? 1 : null),
    isOver: moreThanAfter
  }
]

/** The /16 of an IPv4 address, the /32 of an IPv6 one. @param key as `identify` writes it: an address, or `a:b:c:d::/64` */
export function networkOf(key: string): string {
  const mark = key.includes(':') ? ':' : '.'
  return key.slice(0, key.indexOf(mark, key.indexOf(mark) + 1))
}
