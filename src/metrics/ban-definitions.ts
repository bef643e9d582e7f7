/** The metrics of banned addresses; part of `METRICS`. */
export const BAN_METRICS = {
  tollgate_ip_bans_total: {
    kind: 'counter',
    help:
      'Addresses that this gate has banned: for failures, manual (by an operator), or by the rule that is named. With ' +
      'clients.bans.mode dry_run those that it would have banned.',
    labels: ['reason'],
    max: 60
  },
  tollgate_ip_bans_active: {
    kind: 'gauge',
    help: 'Addresses, of IPv6 networks, that are banned now, by whichever gate.',
    labels: []
  },
  tollgate_ip_ban_evictions_total: {
    kind: 'counter',
    help: 'What was forgotten to make room: counter (failures of an address, of 100,000) or ban (one that had not ended, of 50,000).',
    labels: ['what'],
    max: 3
  }
} as const
