import type { Logger } from 'pino'
import type { Check } from './admin/app.ts'
import { createAllAddresses } from './all-addresses.ts'
import type { Config } from './config/load.ts'
import type { Addresses } from './forward/connector.ts'
import { createTransport, type Transport } from './forward/transport.ts'
import { createResolver, type OwnedResolver } from './resolve/resolver.ts'
import { createLearner, type Learner, learnedPools } from './route/learner.ts'
import { Pool, type PoolDeps } from './route/pool.ts'
import { createProber } from './route/prober.ts'
import type { Ms, NowMs } from './time.ts'

/** What upstreams are made of, from a configuration. */
export type UpstreamsConfig = Pick<Config, 'resolver' | 'forward' | 'route'>

/** What upstreams are given. */
export interface UpstreamsInit {
  readonly log: Logger
  readonly nowMs: NowMs
  readonly random: () => number
  readonly onConnected: (pool: string, tookMs: Ms) => void
  readonly onChecked: (pool: string, tookMs: Ms) => void
  readonly onWaited: NonNullable<PoolDeps['onWaited']>
}

/** Everything that leads to engines: their names, the connections to them, the pools, and what is asked of them beside calls. */
export interface Upstreams {
  readonly resolver: OwnedResolver
  readonly transport: Transport
  readonly learner: Learner
  readonly pools: ReadonlyMap<string, Pool>
  /** Follows a configuration; what did not change stays as it is. */
  follow(config: UpstreamsConfig): void
  /** Begins to learn models and to ask after engines. */
  start(): void
  /** Where names lead, for the operator. */
  check(): Check
  close(): void
}

/** Opens the way to the engines of a configuration. No engine is asked before `start`. */
export function openUpstreams(first: UpstreamsConfig, init: UpstreamsInit): Upstreams {
  const { log, nowMs, random } = init
  const resolver = createResolver({ options: first.resolver, log, random })
  const transport = createTransport(first.forward, {
    resolver,
    onConnected: init.onConnected,
    onAddresses: ({ pool, origin }, now, before) => {
      if (several.has(pool, origin)) return
      log.info({ pool, target: origin, ...difference(now, before) }, 'upstream addresses changed')
      const known = pools.get(pool)
      // Calls that wait may go to a target whose name is resolved now.
      known?.configure(known.options)
    }
  })
  const learner = createLearner({ fetchModels: transport.fetchModels, random, log })
  const prober = createProber({ ask: transport.ask, onAnswered: init.onChecked, nowMs, random, log })
  const pools = new Map<string, Pool>()
  const deps: PoolDeps = {
    nowMs,
    random,
    learned: learner.learned,
    isResolved: transport.isResolved,
    onWaited: init.onWaited,
    onSuspected: prober.check,
    log
  }
  let isStarted = false
  const several = createAllAddresses({
    resolver,
    onChange: (place, now, before) => {
      log.info({ ...place, ...difference(now, before) }, 'upstream addresses changed')
      follow()
    }
  })
  let config = first
  const names = () => [
    ...transport.names().filter(({ pool, origin }) => !several.has(pool, origin)),
    ...several.names()
  ]

  /** Each address of a name is a target where that is asked for; those that have vanished end with their calls. */
  function follow(): void {
    const { route, forward } = several.expand(config)
    transport.follow(forward)
    learner.follow(learnedPools(route))
    for (const name of pools.keys()) if (!route.pools.has(name)) pools.delete(name)
    for (const [name, options] of route.pools) {
      const known = pools.get(name)
      if (known === undefined) pools.set(name, new Pool(options, deps))
      else known.configure(options)
    }
    if (isStarted) prober.follow(pools.values())
  }

  return {
    resolver,
    transport,
    learner,
    pools,
    follow(next) {
      config = next
      resolver.follow(next.resolver)
      several.follow(next)
      follow()
    },
    start() {
      isStarted = true
      learner.start()
      prober.follow(pools.values())
    },
    // An engine without an address takes no gateway out of service: all of them would be out together.
    check: () => ({ name: 'upstream names', ok: true, detail: { names: names() } }),
    close() {
      prober.close()
      learner.close()
      transport.close()
      several.close()
      resolver.close()
    }
  }
}

function difference(now: Addresses, before: Addresses): { added: readonly string[]; removed: readonly string[] } {
  const [is, was] = [now, before].map(list => (list ?? []).map(({ address }) => address))
  return {
    added: (is ?? []).filter(address => was?.includes(address) !== true),
    removed: (was ?? []).filter(address => is?.includes(address) !== true)
  }
}
