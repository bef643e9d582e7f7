import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import { hostname } from 'node:os'
import type { Operator } from '../exchange.ts'
import { Guesses, type GuessesInit } from './guesses.ts'
import type { AdminOptions } from './options.ts'

/** What of a request it is judged by. */
export type Asking = Pick<IncomingMessage, 'headers' | 'rawHeaders' | 'socket'>

/** Why somebody is not let in, with the words for them. */
export interface AdminRefusal {
  readonly status: 401 | 403 | 421 | 429
  readonly error: string
}

/** How many requests the admin listener has refused, by why. */
export type AdminRefusals = Readonly<Record<'host' | 'forwarded' | 'browser' | 'token', number>>

const LOOPBACK = /^(?:127(?:\.\d{1,3}){3}|::1|::ffff:127(?:\.\d{1,3}){3})$/
/** Names that no public name server can point anywhere: a page of a stranger never comes under one of them. */
const PRIVATE_NAME = /^[a-z0-9_-]+$|\.(?:localhost|svc|cluster\.local|internal)$/
/** What proxies add. One that adds nothing cannot be told from a caller of this machine: `admin.token` is for that. */
const FORWARDED =
  /^(?:x-forwarded(?:-.+)?|forwarded(?:-for)?|via|x-real-ip|x-client-ip|x-cluster-client-ip|x-original-(?:forwarded-for|host)|x-envoy-external-address|true-client-ip|cf-connecting-ip|fastly-client-ip)$/i

const WRONG_HOST: AdminRefusal = { status: 421, error: 'This name is not served here. admin.allowed_hosts names more.' }
const IS_FORWARDED: AdminRefusal = {
  status: 403,
  error: 'Forwarded requests are not taken. See admin.allow_forwarded.'
}
const OF_A_PAGE: AdminRefusal = { status: 403, error: 'A page of another origin may not ask here.' }
const NO_TOKEN: AdminRefusal = { status: 401, error: 'The admin token is required.' }
const TOO_MANY: AdminRefusal = { status: 429, error: 'Too many wrong admin tokens. Try again in a few seconds.' }
const NOT_HERE: AdminRefusal = { status: 403, error: 'Only from this machine, or with admin.token.' }

/** Who may ask what of the admin listener. */
export class AdminGuard {
  readonly #options: Omit<AdminOptions, 'port'>
  readonly #names: ReadonlySet<string>
  readonly #guesses: Guesses
  readonly #refused = { host: 0, forwarded: 0, browser: 0, token: 0 }

  constructor(options: Omit<AdminOptions, 'port'>, init: GuessesInit) {
    this.#options = options
    this.#names = new Set([...options.allowedHosts, options.host, hostname()].map(name => name.toLowerCase()))
    this.#guesses = new Guesses(init)
  }

  get refused(): AdminRefusals {
    return { ...this.#refused }
  }

  /** Of every request: a page that was given this address under a name of its own (DNS rebinding) gets no answer. */
  judgeHost({ rawHeaders }: Pick<Asking, 'rawHeaders'>): AdminRefusal | null {
    const hosts = rawHeaders.filter((_value, i) => i % 2 === 1 && /^host$/i.test(rawHeaders[i - 1] ?? ''))
    // HTTP/1.0 has none, and no browser speaks it.
    const isFine = hosts.length === 0 || (hosts.length === 1 && this.#isOurs(hosts[0] ?? ''))
    return isFine ? null : this.#refuse('host', WRONG_HOST)
  }

  /** Of everything but health: no proxy passes it on, no page asks for it. */
  judgePath(asking: Asking): AdminRefusal | null {
    if (this.#isUnwantedForward(asking)) return this.#refuse('forwarded', IS_FORWARDED)
    return isOfAPage(asking) ? this.#refuse('browser', OF_A_PAGE) : null
  }

  /** Of what needs the token where there is one. A wrong one is answered late. */
  async judgeToken(asking: Asking): Promise<AdminRefusal | null> {
    const { token } = this.#options
    if (token === null) return null
    if (asking.headers.authorization === undefined) return NO_TOKEN
    const verdict = await this.#guesses.judge(asking.socket.remoteAddress ?? '', hasToken(asking, token))
    if (verdict === 'right') return null
    return this.#refuse('token', verdict === 'busy' ? TOO_MANY : NO_TOKEN)
  }

  /**
   * Of what shows or changes anything: with the token where there is one, else from this machine alone, not through a proxy
   * and not out of a browser, which would do it for any page that it shows.
   */
  async judgeOperator(asking: Asking): Promise<AdminRefusal | null> {
    if (this.#options.token !== null) return await this.judgeToken(asking)
    return this.#isHere(asking) ? null : NOT_HERE
  }

  /** Whether they may see more than whether the gate is ready. */
  async maySeeDetail(asking: Asking): Promise<boolean> {
    if (this.#isUnwantedForward(asking) || isOfAPage(asking)) return false
    if (this.#options.token === null) return this.#isHere(asking)
    return asking.headers.authorization !== undefined && (await this.judgeToken(asking)) === null
  }

  #isHere(asking: Asking): boolean {
    const isLocal = LOOPBACK.test(asking.socket.remoteAddress ?? '') && !isForwarded(asking)
    return isLocal && isLoopbackHost(asking.headers.host ?? '') && asking.headers.origin === undefined
  }

  #isUnwantedForward(asking: Asking): boolean {
    return !this.#options.allowForwarded && isForwarded(asking)
  }

  #isOurs(host: string): boolean {
    const name = nameOf(host)
    return isIP(name) !== 0 || PRIVATE_NAME.test(name) || this.#names.has(name)
  }

  #refuse(why: keyof AdminRefusals, refusal: AdminRefusal): AdminRefusal {
    this.#refused[why]++
    return refusal
  }
}

/** Who it is, once they were let in. */
export function operatorOf({ headers, socket }: Pick<Asking, 'headers' | 'socket'>, token: string | null): Operator {
  return {
    address: socket.remoteAddress ?? '',
    by: token !== null && hasToken({ headers }, token) ? 'admin.token' : 'this machine'
  }
}

function hasToken({ headers }: Pick<Asking, 'headers'>, token: string): boolean {
  return isSame(headers.authorization ?? '', `Bearer ${token}`)
}

/** In the same time however much is right. */
function isSame(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(a), digest(b))
}

function isForwarded({ rawHeaders }: Pick<Asking, 'rawHeaders'>): boolean {
  return rawHeaders.some((name, i) => i % 2 === 0 && FORWARDED.test(name))
}

/** Browsers say where a page comes from, also for what it only shows (Fetch Metadata). */
function isOfAPage({ headers }: Pick<Asking, 'headers'>): boolean {
  const site = headers['sec-fetch-site']
  return site !== undefined && site !== 'none' && site !== 'same-origin'
}

function isLoopbackHost(host: string): boolean {
  const name = nameOf(host)
  return name === 'localhost' || (isIP(name) !== 0 && LOOPBACK.test(name))
}

/** A Host without its port, brackets and final dot, in lower case. */
function nameOf(host: string): string {
  const [, bracketed, plain = ''] = /^(?:\[([^\]]*)\]|([^:]*))(?::\d{1,5})?$/.exec(host) ?? []
  return (bracketed ?? plain).toLowerCase().replace(/\.$/, '')
}
