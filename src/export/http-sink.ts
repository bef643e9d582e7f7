import type { UsageEvent } from '../segments/format.ts'
import type { Ms, NowMs } from '../time.ts'
import { createHttp, reasonOf } from './http.ts'
import type { HttpOptions } from './options.ts'
import { quoted, type Sink, SinkError } from './sink.ts'

const TYPE = 'application/cloudevents-batch+json'
const MAX_ANSWER_BYTES = 64 * 1024
/** A receiver that wants no more for longer is asked again all the same. */
const MAX_RETRY_AFTER_MS: Ms = 3_600_000
/**
 * Answers that are about the caller, the address or the moment, and not about what was sent: no record is given up for those.
 */
const NOT_OF_THE_RECORDS: ReadonlySet<number> = new Set([
  401, 402, 403, 404, 405, 406, 407, 408, 410, 421, 423, 425, 426, 428, 429, 451
])

/** Sends batches of CloudEvents. @see CloudEvents HTTP protocol binding 1.0.2, section 3.3 */
export function createHttpSink(to: HttpOptions, init: { readonly timeoutMs: Ms; readonly nowMs: NowMs }): Sink {
  const http = createHttp({ ...to, timeoutMs: init.timeoutMs, maxBytes: MAX_ANSWER_BYTES })
  return {
    async send(events) {
      const body = Buffer.from(`[${events.map(event => JSON.stringify(cloudEvent(event))).join(',')}]`)
      const {
        status,
        body: said,
        retryAfter
      } = await http.ask({ body, type: TYPE }).catch(err => {
        throw new SinkError('unavailable', `it does not answer (${reasonOf(err)})`, { cause: err })
      })
      if (status >= 200 && status < 300) return
      const words = quoted(said, [to.token, ...querySecrets(to.url)])
      const message = `it answered ${status}${why(status)}${words === '' ? '' : `: ${words}`}`
      const isRefusal = status >= 400 && status < 500 && !NOT_OF_THE_RECORDS.has(status)
      throw new SinkError(isRefusal ? 'refused' : 'unavailable', message, {
        retryAfterMs: retryAfterMs(retryAfter, init.nowMs())
      })
    },
    async close() {
      http.close()
    }
  }
}

/** A line of the ledger as others read it: without its check, and without a subject where there is none. */
export function cloudEvent({ specversion, type, source, id, time, subject, data }: UsageEvent): object {
  return {
    specversion,
    type,
    source,
    id,
    time,
    ...(subject === '' ? {} : { subject }),
    datacontenttype: 'application/json',
    data
  }
}

/** Receivers like to repeat what they were asked, and the query of an address may hold a key. */
function querySecrets(url: string): readonly string[] {
  const { search, searchParams } = new URL(url)
  return [search, ...searchParams.values()].filter(text => text.length > 3)
}

function why(status: number): string {
  if (status >= 300 && status < 400) return ' (redirects are not followed)'
  return status === 401 || status === 403 ? ' (is the token right?)' : ''
}

/** @see RFC 9110 section 10.2.3 */
function retryAfterMs(text: string | null, nowMs: Ms): Ms {
  if (text === null) return 0
  const ms = /^\d{1,9}$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - nowMs
  return Number.isNaN(ms) ? 0 : Math.min(Math.max(0, ms), MAX_RETRY_AFTER_MS)
}
