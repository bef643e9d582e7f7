import type { Test } from 'tap'
import type { StoreOptions } from '../../src/store/options.ts'
import { connectStore, type StoreConnection, type StoreInit } from '../../src/store/valkey.ts'
import { storeAt, until } from './stores.ts'

/** A connection, and what is told of it: `down: …`, `up`, `warn: …`. */
export interface WatchedStore {
  readonly connection: StoreConnection
  readonly told: readonly string[]
  /** What to do, of what was told last. */
  readonly fix: () => string
  /** Resolves when it is up. */
  isUp(): Promise<void>
  /** Resolves with the reason when it is down for one that matches. */
  isDown(why: RegExp): Promise<string>
}

/** Opens a connection that is watched; it ends with the test. */
export function watchStore(
  t: Test,
  options: StoreOptions | NonNullable<Parameters<typeof storeAt>[0]>,
  init: StoreInit = {}
): WatchedStore {
  const told: string[] = []
  let fix = ''
  const note = (what: string) => (of: { readonly why: string; readonly fix: string }) => {
    told.push(`${what}: ${of.why}`)
    fix = of.fix
  }
  const connection = connectStore('servers' in options ? options : storeAt(options), {
    probeMs: 100,
    commandMs: 1_000,
    events: { down: note('down'), up: () => told.push('up'), warn: note('warn') },
    ...init
  })
  t.teardown(() => connection.close())
  connection.open()
  return {
    connection,
    told,
    fix: () => fix,
    isUp: () => until(() => connection.status.state === 'up'),
    async isDown(why) {
      await until(() => connection.status.state === 'down' && why.test(connection.status.why ?? ''))
      return connection.status.why ?? ''
    }
  }
}
