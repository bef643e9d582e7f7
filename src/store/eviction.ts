import type { Redis } from 'iovalkey'

/** A server of the store, as far as it is asked what it drops. */
export type AskedServer = Pick<Redis, 'info' | 'config'>

/** What is to be said of what the store drops. */
export interface EvictionWarning {
  readonly why: string
  readonly fix: string
}

/**
 * Looks whether the store drops keys when its memory is short: then budgets, bans and revocations would be forgotten in silence.
 *
 * @param servers every one that holds keys
 * @param isRefusal whether a server has answered, and does not say it
 * @returns null where nothing is dropped, undefined where nobody has answered
 */
export async function evictionWarning(
  servers: readonly AskedServer[],
  isRefusal: (err: unknown) => boolean
): Promise<EvictionWarning | null | undefined> {
  const policies = await Promise.all(servers.map(server => policyOf(server, isRefusal)))
  const bad = policies.find(policy => policy !== undefined && policy !== null && policy !== 'noeviction')
  if (bad !== undefined) {
    return {
      why: `the store drops keys when its memory is short (maxmemory-policy ${bad}): budgets, bans and revocations can be lost`,
      fix: 'CONFIG SET maxmemory-policy noeviction and the same in its file, or a store of its own for the gateway'
    }
  }
  if (policies.length === 0 || policies.includes(undefined)) return undefined
  return policies.includes(null)
    ? {
        why: 'whether the store drops keys could not be checked: its user may ask neither INFO nor CONFIG GET',
        fix: 'see that maxmemory-policy is noeviction; +info lets the gateway look'
      }
    : null
}

/** @returns null when the server does not say it, undefined when it does not answer */
async function policyOf(server: AskedServer, isRefusal: (err: unknown) => boolean): Promise<string | null | undefined> {
  try {
    const known = /^maxmemory_policy:([a-z-]+)/m.exec(await server.info('memory'))?.[1]
    if (known !== undefined) return known
  } catch (err) {
    if (!isRefusal(err)) return undefined
  }
  try {
    const reply: unknown = await server.config('GET', 'maxmemory-policy')
    const value: unknown = Array.isArray(reply) ? reply[1] : null
    return typeof value === 'string' && /^[a-z-]+$/.test(value) ? value : null
  } catch (err) {
    return isRefusal(err) ? null : undefined
  }
}
