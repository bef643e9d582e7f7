import type { Ms } from '../time.ts'
import type { Families } from './families.ts'

/** What takes time on the way of a call, or beside it, and is told of when it is over. */
export interface Timings {
  /** A token was looked at. @param path `cache` when it was remembered, else `verify` */
  verified(path: 'cache' | 'verify', tookMs: Ms): void
  /** A call does not wait for a place any more. */
  waited(pool: string, among: string, tookMs: Ms): void
  /** A connection to an engine is there. */
  connected(pool: string, tookMs: Ms): void
  /** An engine was asked whether it is well. */
  checked(pool: string, tookMs: Ms): void
}

export function createTimings(families: Families): Timings {
  const auth = families.of('tollgate_auth_seconds')
  const wait = families.of('tollgate_queue_wait_seconds')
  const connect = families.of('tollgate_upstream_connect_seconds')
  const check = families.of('tollgate_upstream_health_check_seconds')
  return {
    verified: (path, tookMs) => auth.at(path).observe(tookMs / 1000),
    waited: (pool, among, tookMs) => wait.at(pool, among).observe(tookMs / 1000),
    connected: (pool, tookMs) => connect.at(pool).observe(tookMs / 1000),
    checked: (pool, tookMs) => check.at(pool).observe(tookMs / 1000)
  }
}
