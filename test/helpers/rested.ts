import { setTimeout as sleep } from 'node:timers/promises'

/** Resolves when so many connections to engines have rested, so that the next calls may use them. */
export async function rested(connections: { readonly idle: number }, count = 1): Promise<void> {
  while (connections.idle < count) await sleep(5)
}
