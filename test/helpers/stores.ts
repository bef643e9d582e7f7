import { readFileSync } from 'node:fs'
import type { Test } from 'tap'
import { ValkeyQuotaStore } from '../../src/limit/quota-store-valkey.ts'
import { type StoreOptions, storeOptions } from '../../src/store/options.ts'
import { connectStore, type StoreConnection } from '../../src/store/valkey.ts'
import { type RedisServer, startRedis } from './redis.ts'

/** On a machine that has much to do, for tests that are not about being late. */
const PATIENT_MS = 10_000

type StoreYaml = Partial<NonNullable<Parameters<typeof storeOptions>[0]>>

/** The options of what may stand under `store`. */
export function storeAt(yaml: StoreYaml): StoreOptions {
  const options = storeOptions({ cluster: false, ...yaml }, path => readFileSync(path, 'utf8'))
  if (options === null) throw new TypeError('no store')
  return options
}

/** Resolves when what is asked comes true. */
export async function until(isTrue: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isTrue())) await new Promise(resolve => setTimeout(resolve, 10))
}

/** Resolves when the store answers. */
export async function isThere(store: ValkeyQuotaStore): Promise<void> {
  await until(() =>
    store.peek([]).then(
      () => true,
      () => false
    )
  )
}

/** A connection to a server of the test's own, when it answers; it ends with the test. */
export async function connected(
  t: Test,
  of?: RedisServer,
  { isCluster = false, commandMs = PATIENT_MS }: { isCluster?: boolean; commandMs?: number } = {}
): Promise<{ server: RedisServer; connection: StoreConnection; store: ValkeyQuotaStore }> {
  const server = of ?? (await startRedis(t))
  const connection = connectStore(storeAt({ url: server.url, cluster: isCluster }), { commandMs })
  t.teardown(() => connection.close())
  connection.open()
  const store = new ValkeyQuotaStore(connection, { isCluster })
  await isThere(store)
  return { server, connection, store }
}
