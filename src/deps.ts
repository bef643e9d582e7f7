import { randomBytes } from 'node:crypto'
import type { Logger } from 'pino'
import { createCors } from './accept/cors.ts'
import { createOverloadGuard, LEVELS } from './accept/overload.ts'
import { LIMITS } from './accept/server-options.ts'
import { readTls } from './accept/tls-files.ts'
import { createAlarm } from './audit/alarm.ts'
import { auditRecord } from './audit/record.ts'
import { openAuditSink, tellOperator } from './audit/sink.ts'
import { createAuthenticator } from './authenticate/authenticator.ts'
import type { Verifier } from './authenticate/verifier.ts'
import { createPolicy } from './authorize/policy.ts'
import { openBanning } from './banning.ts'
import { createTeller } from './bill/teller.ts'
import { openBook } from './charge/book.ts'
import { keysCheck, limitsCheck, loadCheck, poolCheck, revocationsCheck, sinkCheck, storeCheck } from './checks.ts'
import { endAll } from './closing.ts'
import type { Config } from './config/load.ts'
import { openConnections } from './connections.ts'
import { createShipping } from './export/shipping.ts'
import { createClientResolver } from './identify/client-ip.ts'
import { BodyBudget } from './inspect/body-budget.ts'
import { createEndpoints } from './inspect/endpoints.ts'
import { Limiter } from './limit/limiter.ts'
import { openLimits } from './limit/limits.ts'
import { createCompletion } from './meter/completion.ts'
import { createMetrics } from './metrics/metrics.ts'
import { openMint } from './minting.ts'
import { errorOf, openRevocations, revocationDesk } from './revoking.ts'
import { createRouteTable } from './route/table.ts'
import type { Rules } from './rules.ts'
import { createShaper } from './shape/shaper.ts'
import { openStore, sharingOf, storeSeen } from './sharing.ts'
import type { Ms, NowMs } from './time.ts'
import { openUpstreams } from './upstreams.ts'
import { openWatch } from './watch.ts'
import type { World } from './world.ts'

export type { World } from './world.ts'

/** More than the clocks of each step, which give up in an orderly way. */
const CLOSE_MS: Ms = 6_000
const OVERLOADED = 'the gate has too much to do: not everybody is let in'

/**
 * Builds the real world from a configuration. Opens the audit log and the ledger; touches no network before `start`.
 * @throws AuditLogError
 * @throws LedgerError
 * @throws AccountsError, KeyRingError
 */
export function buildDeps(first: Config, init: { log: Logger; nowMs?: NowMs; random?: () => number }): World {
  const { log, nowMs = Date.now, random = Math.random } = init
  const own = randomBytes(32)
  const overload = createOverloadGuard(first.accept.overload)
  overload.onLevel((level, reading) => {
    log.warn(
      { level, ...reading, fix: 'server.overload, another gate, or more memory' },
      level === 'normal' ? 'everybody is let in again' : OVERLOADED
    )
  })
  const bodies = new BodyBudget(() => overload.memoryBytes)
  const isOverloaded = () => overload.level !== 'normal'
  const upstreams = openUpstreams(first, {
    log,
    nowMs,
    random,
    onConnected: (pool, tookMs) => metrics.timings.connected(pool, tookMs),
    onChecked: (pool, tookMs) => metrics.timings.checked(pool, tookMs),
    onWaited: (...waited) => metrics.timings.waited(...waited)
  })
  const { transport, learner, pools } = upstreams
  const store = openStore(first.store, log)
  const connection = store?.connection ?? null
  const limits = openLimits({
    nowMs,
    onReserved: (backend, tookMs) => metrics.limited(backend, tookMs),
    sharing: store === null ? null : sharingOf(store, { log, onFailure: () => config.limit.onStoreFailure })
  })
  const sink = openAuditSink(first.audit.to === 'stdout' ? 1 : first.audit.to.file, tellOperator(log))
  const mint =
    first.mint === null
      ? null
      : openMint(first.mint, {
          nowMs,
          log,
          run: store?.connection.run ?? null,
          write: sink.write,
          note: (client, weight, what) => banning.bans.note(client, weight, what)
        })
  const issuersOf = ({ authenticate }: Config) => [
    ...authenticate.issuers,
    ...(mint === null ? [] : [mint.own.options])
  ]
  const revocations = openRevocations(
    { revocation: first.revocation, issuers: issuersOf(first) },
    { nowMs, log, connection, transport, write: sink.write }
  )
  const authenticator = createAuthenticator({
    nowMs,
    random,
    log,
    isOverloaded,
    own: mint?.own ?? null,
    revokedBy: identity => revocations.revokedBy(identity),
    onVerified: (path, tookMs) => metrics.timings.verified(path, tookMs)
  })
  const connections = openConnections(first, { nowMs, log, write: sink.write, limits: LIMITS })
  const banning = openBanning(first.identify, { nowMs, log, write: sink.write, connection })
  const suspicion = openWatch(first.suspect, {
    nowMs,
    log,
    write: sink.write,
    metrics: () => metrics,
    subjectKey: () => config.metrics.subjectKey,
    impose: (client, of) => void banning.bans.impose(client, of)
  })
  const teller =
    first.charge === null ? null : createTeller({ dir: first.charge.dir, timeZone: first.bill.timeZone, log })
  const sinks = first.sinks.filter(({ by }) => by === 'gate')
  const shipping =
    first.charge === null || sinks.length === 0
      ? null
      : createShipping({ dir: first.charge.dir, sinks, resolver: first.resolver, nowMs, log })
  let config: Config
  let rules: Rules
  let verifier: Verifier
  const metrics = createMetrics({
    nowMs,
    options: () => config.metrics,
    onCrossing: createAlarm({ write: sink.write, log }),
    isTeam: name => config.route.teams.has(name),
    issuers: () => issuersOf(config),
    pools: () => pools.values(),
    calls: transport.calls,
    keySets: () => authenticator.keySets.map(set => set.status()),
    mintKeys: () => mint?.ring.status.views ?? null,
    tokens: () => verifier,
    load: () => ({
      level: LEVELS.indexOf(overload.level),
      memory: overload.reading.memory,
      bodyBytes: bodies.heldBytes
    }),
    limits: () => ({
      decisions: limits.tally.all(),
      budgetsOf: team => rules.limiter.budgetsOf(team),
      leases: limits.leases.size,
      store: limits.status === null ? null : limits.status()
    }),
    store: storeSeen(connection, { limits, banning, revocations: () => revocations.status }),
    bans: banning.stats,
    connections: connections.stats,
    revocations: () => revocations.status,
    ledger: () => book?.stats ?? null,
    sinks: () => shipping?.status() ?? []
  })
  const book = first.charge === null ? null : openBook(first.charge, { nowMs, log, events: metrics.ledger })

  function follow(next: Config): void {
    // What could throw comes before the first thing that changes.
    const policy = createPolicy(next.authorize)
    const inspection = {
      endpoints: createEndpoints(next.inspect),
      options: next.inspect,
      mayMultimodal: policy.mayMultimodal
    }
    const resolveClient = createClientResolver(next.identify)
    const shaper = createShaper(next.shape, { own, nowMs })
    const limiter = new Limiter(next.limit, limits)
    revocations.follow(next.revocation, issuersOf(next))

    config = next
    banning.follow(next.identify)
    connections.follow(next)
    overload.follow(next.accept.overload)
    suspicion.follow(next.suspect)
    upstreams.follow(next)
    verifier = authenticator.follow(next.authenticate)
    rules = {
      names: new Set(next.accept.names),
      cors: createCors(next.accept.cors),
      resolveClient,
      verifier,
      inspection,
      policy,
      limiter,
      table: createRouteTable(next.route.teams, new Map(pools)),
      shaper,
      config: next.hash
    }
  }

  follow(first)

  return {
    app: {
      log,
      nowMs,
      limits: LIMITS,
      tls: first.accept.tls === null ? null : readTls(first.accept.tls),
      rules: () => rules,
      transport,
      bans: banning.bans,
      connections: connections.addresses,
      sockets: connections.sockets,
      connectionErrors: connections.errors,
      overload,
      bodies,
      complete: createCompletion({ ratios: limits.ratios, ...metrics.ledger }),
      charger: book?.charger ?? null,
      revoked: errorOf(identity => revocations.revokedBy(identity)),
      teller,
      mint: mint?.plugin ?? null,
      audit: exchange => sink.write(auditRecord(exchange)),
      observe: metrics.observe,
      suspicion
    },
    resolver: upstreams.resolver,
    metrics,
    auditSink: sink,
    revocations: revocationDesk(revocations, { nowMs, write: sink.write }),
    checks: () => [
      ...authenticator.keySets.map(keysCheck),
      loadCheck(overload, bodies),
      upstreams.check(),
      revocationsCheck(revocations.status),
      ...[...pools.values()].map(pool => poolCheck(pool, nowMs())),
      ...(shipping?.status() ?? []).map(sinkCheck),
      ...(limits.status === null ? [] : [limitsCheck(limits.status())]),
      ...(connection === null ? [] : [storeCheck(connection.status)])
    ],
    follow,
    start() {
      mint?.start()
      book?.start()
      teller?.start()
      shipping?.start()
      overload.start()
      limits.start()
      revocations.start()
      banning.start()
      connections.start()
      authenticator.start()
      upstreams.start()
    },
    knowsRevoked: within => revocations.isRead(within),
    async ready() {
      await Promise.all(authenticator.keySets.map(set => set.ready()))
      await Promise.all([...config.route.pools.values()].map(pool => pool.models ?? learner.ready(pool.name)))
    },
    async close() {
      overload.close()
      mint?.close()
      authenticator.close()
      upstreams.close()
      connections.close()
      const sharing = {
        async close() {
          await revocations.close()
          await banning.close()
          await limits.close()
        }
      }
      const ends = { 'usage queries': teller, store: sharing, 'usage ledger': book }
      await endAll(ends, { withinMs: CLOSE_MS, log })
      // Everything is on the disk now. A sink that takes its time must not cost lines of the audit log.
      await endAll({ 'audit log': sink, 'usage export': shipping }, { withinMs: CLOSE_MS, log })
    }
  }
}
