import dns, { type LookupAddress, type LookupOptions } from 'node:dns'
import { syncBuiltinESMExports } from 'node:module'
import { DnsError, type NameResolver } from './names.ts'

type LookupCallback = (err: Error | null, address: string | LookupAddress[], family?: number) => void

/**
 * Has every look-up of this thread go through a resolver of ours: `fetch`, the clients of Redis and PostgreSQL, and whatever
 * else opens sockets by `node:net`. They take `dns.lookup` and cannot all be given another one; that one is getaddrinfo, and
 * a few of those that wait for a silent name server hold up all others of the process, in every thread.
 *
 * @returns what undoes it
 */
export function replaceSystemLookup(resolver: Pick<NameResolver, 'resolve'>): () => void {
  const before = { lookup: dns.lookup, promised: dns.promises.lookup }
  const lookup = async (host: string, { family, all }: LookupOptions): Promise<LookupAddress[] | LookupAddress> => {
    const wanted = family === 'IPv4' ? 4 : family === 'IPv6' ? 6 : (family ?? 0)
    const found = (await resolver.resolve(host)).filter(one => wanted === 0 || one.family === wanted)
    const [first] = found
    if (first === undefined) throw asLookupError(new DnsError('DNS_NOT_FOUND', host, 'no address of the wanted family'))
    return all === true
      ? found.map(({ address, family }) => ({ address, family }))
      : { address: first.address, family: first.family }
  }
  const optionsOf = (options: unknown): LookupOptions =>
    typeof options === 'number' ? { family: options } : ((options ?? {}) as LookupOptions)

  const callbackLookup = (host: string, options: unknown, callback?: LookupCallback) => {
    const done = (typeof options === 'function' ? options : callback) as LookupCallback
    lookup(host, typeof options === 'function' ? {} : optionsOf(options)).then(
      // Out of the promise: an error that the callback throws is not the look-up's.
      found =>
        process.nextTick(() => (Array.isArray(found) ? done(null, found) : done(null, found.address, found.family))),
      (err: unknown) => process.nextTick(() => done(asLookupError(err), ''))
    )
  }
  const promisedLookup = (host: string, options?: unknown) =>
    lookup(host, optionsOf(options)).catch((err: unknown) => {
      throw asLookupError(err)
    })
  dns.lookup = callbackLookup as unknown as typeof dns.lookup
  dns.promises.lookup = promisedLookup as typeof dns.promises.lookup
  syncBuiltinESMExports()
  return () => {
    dns.lookup = before.lookup
    dns.promises.lookup = before.promised
    syncBuiltinESMExports()
  }
}

/** With the codes that libraries know from getaddrinfo; the message is ours. */
function asLookupError(err: unknown): Error {
  if (!(err instanceof DnsError)) return err instanceof Error ? err : new Error(String(err))
  const code = err.isNotFound ? 'ENOTFOUND' : 'EAI_AGAIN'
  return Object.assign(new Error(`${err.host}: ${err.message}`, { cause: err }), {
    code,
    syscall: 'lookup',
    hostname: err.host
  })
}
