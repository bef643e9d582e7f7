import type { BanEvent } from './bans.ts'

/** Whoever has not named the proxy in front of the gate bans everybody with it. */
const PROXY = 'it passes requests on: a proxy of yours belongs into clients.trusted_proxies; then tollgate bans lift'

/**
 * One line of the operator's log for each ban. The address stands first behind the time, where config/fail2ban.conf looks for
 * it: `{"level":40,"time":"…","banned":"203.0.113.7",…`.
 */
export function tellOfBan(
  { what, ban, isDry, isPassedOn }: BanEvent,
  log: { warn(facts: object, message: string): void; info(facts: object, message: string): void }
): void {
  const { ip, key, reason, sinceMs, untilMs, times } = ban
  const facts = {
    key,
    reason,
    forSec: Math.round((untilMs - sinceMs) / 1_000),
    times,
    ...(isPassedOn ? { fix: PROXY } : {})
  }
  if (what === 'lifted') log.info({ lifted: ip, ...facts }, 'a ban is lifted')
  else if (isDry) log.warn({ wouldBan: ip, ...facts }, 'an address would be banned, but clients.bans.mode is dry_run')
  else log.warn({ banned: ip, ...facts }, 'an address is banned')
}
