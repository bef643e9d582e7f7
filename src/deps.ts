import { readFileSync } from 'node:fs'
import { type Logger, pino } from 'pino'
import { LIMITS } from './accept/server-options.ts'
import type { Check } from './admin/app.ts'
import type { AppDeps } from './app.ts'
import { auditRecord } from './audit/record.ts'
import { openAuditSink } from './audit/sink.ts'
import { createKeySets } from './authenticate/keys.ts'
import { createVerifier } from './authenticate/verifier.ts'
import { createPolicy } from './authorize/policy.ts'
import type { Config } from './config/load.ts'
import { createTransport } from './forward/transport.ts'
import { createClientResolver } from './identify/client-ip.ts'
import { createEndpoints } from './inspect/endpoints.ts'
import { createLearner } from './route/learner.ts'
import { createRouteTable } from './route/table.ts'
import type { Rules } from './rules.ts'
import { createShaper } from './shape/shaper.ts'
import type { NowMs } from './time.ts'

/** The real world behind the rooms, and how to begin and end it. */
export interface World {
  readonly app: AppDeps
  /** What `/readyz` looks at. */
  readonly checks: () => readonly Check[]
  /** Begins to fetch keys and to learn models. Returns at once. */
  start(): void
  /** Resolves when every key set has keys and every learned pool its models; may never. */
  ready(): Promise<void>
  /** Stops the clocks and the connections, then writes down what is still held. */
  close(): Promise<void>
}

/**
 * Builds the real world from a configuration. Opens the audit log; touches no network before `start`.
 * @throws AuditLogError
 */
export function buildDeps(config: Config, init: { log: Logger; nowMs?: NowMs; random?: () => number }): World {
  const { log, nowMs = Date.now, random = Math.random } = init
  const keySets = createKeySets(config.authenticate.issuers, { nowMs, random, log })
  const verifier = createVerifier(config.authenticate, { keySets, nowMs })
  const transport = createTransport(config.forward)
  const learner = createLearner({
    pools: [...config.route.pools.values()].filter(pool => pool.models === null),
    fetchModels: transport.fetchModels,
    random,
    log
  })
  const sink = openAuditSink(config.audit.to === 'stdout' ? 1 : config.audit.to.file, {
    onFailing: err => log.error({ err }, 'the audit log cannot be written; its lines are held'),
    onRecovered: dropped => log.warn({ dropped }, 'the audit log is written again')
  })

  const policy = createPolicy(config.authorize)
  const rules: Rules = {
    names: new Set(config.accept.names),
    resolveClient: createClientResolver(config.identify),
    verifier,
    inspection: {
      endpoints: createEndpoints(config.inspect),
      options: config.inspect,
      mayMultimodal: policy.mayMultimodal
    },
    policy,
    table: createRouteTable(config.route, { learned: learner.learned }),
    shaper: createShaper(config.shape, { nowMs })
  }

  return {
    app: {
      log,
      nowMs,
      limits: LIMITS,
      tls: config.accept.tls === null ? null : readTls(config.accept.tls),
      rules: () => rules,
      transport,
      audit: exchange => sink.write(auditRecord(exchange))
    },
    checks: () =>
      [...keySets.values()].map(set => {
        const { name, ready, ageMs, lastError, kids } = set.status()
        return { name: `keys of ${name}`, ok: ready, detail: { ageMs, lastError, kids } }
      }),
    start() {
      for (const set of keySets.values()) set.start()
      learner.start()
    },
    async ready() {
      await Promise.all([...keySets.values()].map(set => set.ready()))
      await Promise.all([...config.route.pools.values()].map(pool => pool.models ?? learner.ready(pool.name)))
    },
    async close() {
      learner.close()
      for (const set of keySets.values()) set.close()
      transport.close()
      await sink.close()
    }
  }
}

/** Reads the certificate and key that the listener shows. @throws the file system's error */
export function readTls(files: { readonly certFile: string; readonly keyFile: string }): { cert: string; key: string } {
  return { cert: readFileSync(files.certFile, 'utf8'), key: readFileSync(files.keyFile, 'utf8') }
}

/** The operator's log: JSON lines on stderr, apart from the audit lines. */
export function openLog(level = 'info'): Logger {
  return pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ dest: 2, sync: true })
  )
}
