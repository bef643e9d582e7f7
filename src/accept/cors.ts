import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import type { CorsOptions } from './options.ts'

/** What pages of other origins are told, by one configuration. */
export interface Cors {
  /**
   * Names the origin of a request on its answer, whatever that will be, where the origin is configured.
   * @returns whether the request is a preflight that the gate has answered thereby: nothing is left to do but to end it
   */
  greet(method: string | undefined, headers: IncomingHttpHeaders, response: Pick<ServerResponse, 'setHeader'>): boolean
}

const METHODS = 'GET, POST, PUT, PATCH, DELETE'

/** What a page may read of an answer besides what all may: all that the gate itself says, and what engines are let say. */
const EXPOSED = [
  'x-request-id',
  'request-id',
  'retry-after',
  'retry-after-ms',
  'x-should-retry',
  'www-authenticate',
  ...['requests', 'tokens'].flatMap(of => ['limit', 'remaining', 'reset'].map(what => `x-ratelimit-${what}-${of}`)),
  'openai-model',
  'openai-organization',
  'openai-processing-ms',
  'openai-version'
].join(', ')

/** Names of headers with commas between them (Fetch standard section 3.2.4): what is written back holds nothing else. */
const NAMES = /^[\w!#$%&'*+.^`|~-]{1,64}(?: ?, ?[\w!#$%&'*+.^`|~-]{1,64}){0,99}$/

/**
 * Makes what answers pages of other origins; null where no origin is configured, so that nothing is asked then.
 *
 * The names of headers that a preflight asks for are granted as they are: client libraries send many (`authorization`,
 * `x-stainless-*`, `anthropic-*`), and an engine gets none of them but those of a list (`forward/headers.ts`). Credentials are
 * never granted: no cookie opens anything here.
 */
export function createCors({ origins, maxAgeSec }: CorsOptions): Cors | null {
  if (origins.length === 0) return null
  const isAny = origins.includes('*')
  const known: ReadonlySet<string> = new Set(origins)
  return {
    greet(method, headers, response) {
      // A cache between must not give the answer for one origin to another.
      if (!isAny) response.setHeader('vary', 'origin')
      const { origin } = headers
      if (origin === undefined || !(isAny || known.has(origin))) return false
      response.setHeader('access-control-allow-origin', isAny ? '*' : origin)
      if (method !== 'OPTIONS' || headers['access-control-request-method'] === undefined) {
        response.setHeader('access-control-expose-headers', EXPOSED)
        return false
      }
      response.setHeader('access-control-allow-methods', METHODS)
      const asked = headers['access-control-request-headers']
      if (asked !== undefined && NAMES.test(asked)) response.setHeader('access-control-allow-headers', asked)
      response.setHeader('access-control-max-age', maxAgeSec)
      return true
    }
  }
}
